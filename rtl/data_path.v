// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// data_path: what moves data between hosts and medium: the I/O commands from their decoding to their statuses.
//
// Wiring: context table, PRP walker, segments and their buffers, fetch of host data, range lock, read and write path,
// sender. A Read is over with the last TLP that `sent_last` tells; all others, Reads that have failed, and what the decoder
// refused, come out on `ended`. Pages of the admin engine are sent from here, too, behind what Reads have to send.

`resetall
`timescale 1ns / 1ps
`default_nettype none

module data_path #(
    // Functions, and width of a function's number
    parameter FUNCTIONS = 7,
    parameter FUNCTION_WIDTH = 3,
    // Queues of each function, and width of a queue's number
    parameter QUEUES = 5,
    parameter QUEUE_WIDTH = 3,
    // Atomic unit in bytes
    parameter ATOMIC_UNIT_BYTES = 16384,
    // Widths of an AXI address and ID
    parameter ADDRESS_WIDTH = 40,
    parameter ID_WIDTH = 3,
    // Widths of a row's and of a context's number (derived)
    parameter ROW_WIDTH = FUNCTION_WIDTH + QUEUE_WIDTH,
    parameter CONTEXT_WIDTH = FUNCTION_WIDTH + 5
) (
    input wire clk,
    input wire rst,

    // Functions that move nothing any more; reads that were sent end no more
    input wire [FUNCTIONS-1:0] gone,
    input wire                 forget,
    // Largest TLP of data sent (0 is 128 bytes, each step doubles) and largest read in bytes
    input wire [          2:0] max_payload,
    input wire [         16:0] most_bytes,

    // What the decoder found out
    input wire                     decoded_valid,
    input wire                     decoded_admin,
    input wire [CONTEXT_WIDTH-1:0] decoded_context,
    input wire [    ROW_WIDTH-1:0] decoded_row,
    input wire [              2:0] decoded_kind,
    input wire                     decoded_two,
    input wire [             15:0] decoded_id,
    input wire [             15:0] decoded_second_id,
    input wire [             10:0] decoded_status,
    input wire [             10:0] decoded_second_status,
    input wire [ADDRESS_WIDTH-1:0] decoded_address,
    input wire [             17:0] decoded_length,
    input wire [            127:0] decoded_prps,
    input wire [            127:0] decoded_second_prps,

    // For the completion engine: whose a context is
    input  wire [CONTEXT_WIDTH-1:0] end_context,
    output wire [    ROW_WIDTH-1:0] end_row,
    output wire                     end_two,
    output wire [             15:0] end_id,
    output wire [             15:0] end_second_id,

    // A command has ended with these statuses
    output wire                     ended_valid,
    input  wire                     ended_ready,
    output wire [CONTEXT_WIDTH-1:0] ended_context,
    output wire [             10:0] ended_status,
    output wire [             10:0] ended_second_status,

    // An Abort of a command, or of the second half of a pair: taken when it will end with Abort Requested
    input  wire                     abort_valid,
    output wire                     abort_ready,
    input  wire [CONTEXT_WIDTH-1:0] abort_context,
    input  wire                     abort_second,
    output wire                     abort_taken,

    // A read of a PRP list; its data's first dword, of those of the context
    output wire                     list_read,
    input  wire                     list_read_ready,
    output wire [CONTEXT_WIDTH-1:0] list_read_context,
    output wire [             63:0] list_read_address,
    output wire [             12:0] list_read_bytes,
    output wire [              5:0] list_read_dword,
    // A read of host data; their half and first dword
    output wire                     data_read,
    input  wire                     data_read_ready,
    output wire [CONTEXT_WIDTH-1:0] data_read_context,
    output wire [             63:0] data_read_address,
    output wire [             12:0] data_read_bytes,
    output wire                     data_read_half,
    output wire [             11:0] data_read_dword,

    // What hosts send, for the context and half that it belongs to: entries of lists, and data
    input wire                     list_valid,
    input wire                     host_valid,
    input wire [CONTEXT_WIDTH-1:0] host_context,
    input wire                     host_half,
    input wire [              8:0] host_word,
    input wire [            255:0] host_data,
    input wire [              7:0] host_lanes,
    input wire [              2:0] host_split,
    // A read of either has ended
    input wire                     list_end_valid,
    input wire                     host_end_valid,
    input wire [CONTEXT_WIDTH-1:0] host_end_context,
    input wire                     host_end_half,
    input wire                     host_end_failed,
    // One was not sent
    input wire                     list_unsent_valid,
    input wire                     unsent_valid,
    input wire [CONTEXT_WIDTH-1:0] unsent_context,
    input wire                     unsent_half,

    // Bursts of admin pages, and their words
    input  wire                     admin_burst,
    output wire                     admin_burst_ready,
    input  wire [CONTEXT_WIDTH-1:0] admin_burst_context,
    input  wire [             63:0] admin_burst_address,
    input  wire [             12:0] admin_burst_length,
    input  wire [             11:0] admin_burst_offset,
    input  wire                     admin_burst_last,
    output wire                     page_enable,
    output wire [CONTEXT_WIDTH-1:0] page_context,
    output wire [              7:0] page_word,
    input  wire [            511:0] page_data,

    // A command has to wait for the range lock
    output wire                     lock_wait_valid,
    output wire [CONTEXT_WIDTH-1:0] lock_wait_context,

    // Data TLPs
    output wire                      data_valid,
    input  wire                      data_ready,
    output wire [FUNCTION_WIDTH-1:0] data_function,
    output wire [             255:0] data_beat,
    output wire [               7:0] data_keep,
    output wire                      data_first,
    output wire                      data_last,
    output wire                      data_one_dword,
    // The last of a burst has been taken; of a command
    output wire                      sent_valid,
    output wire                      sent_last,
    output wire [ CONTEXT_WIDTH-1:0] sent_context,

    // AXI4 to memory
    output wire [     ID_WIDTH-1:0] m_axi_arid,
    output wire [ADDRESS_WIDTH-1:0] m_axi_araddr,
    output wire [              7:0] m_axi_arlen,
    output wire                     m_axi_arvalid,
    input  wire                     m_axi_arready,
    input  wire [     ID_WIDTH-1:0] m_axi_rid,
    input  wire [            255:0] m_axi_rdata,
    input  wire [              1:0] m_axi_rresp,
    input  wire                     m_axi_rvalid,
    output wire [ADDRESS_WIDTH-1:0] m_axi_awaddr,
    output wire [              7:0] m_axi_awlen,
    output wire                     m_axi_awuser,
    output wire                     m_axi_awvalid,
    input  wire                     m_axi_awready,
    output wire [            255:0] m_axi_wdata,
    output wire                     m_axi_wlast,
    output wire                     m_axi_wvalid,
    input  wire                     m_axi_wready,
    input  wire                     m_axi_bvalid,
    input  wire [              1:0] m_axi_bresp,

    // The range lock, for those who watch: a request (sectors of 512 bytes), the first grant that follows from it, and what
    // is given up
    output wire                      lock_request_valid,
    output wire [ CONTEXT_WIDTH-1:0] lock_request_context,
    output wire [   QUEUE_WIDTH-1:0] lock_request_queue,
    output wire [              15:0] lock_request_command,
    output wire [ADDRESS_WIDTH-10:0] lock_request_first,
    output wire [ADDRESS_WIDTH-10:0] lock_request_last,
    output wire                      lock_request_exclusive,
    output wire                      lock_grant_valid,
    output wire [ CONTEXT_WIDTH-1:0] lock_grant_context,
    output wire                      lock_release_valid,
    output wire [ CONTEXT_WIDTH-1:0] lock_release_context,
    output wire                      lock_release_write_valid,
    output wire [ CONTEXT_WIDTH-1:0] lock_release_write_context
);

  localparam FW = FUNCTION_WIDTH;
  localparam CTX = CONTEXT_WIDTH;
  localparam ROW = ROW_WIDTH;

  `include "nvme_defs.vh"
  `include "command_kinds.vh"

  localparam NUMBER = FUNCTION_WIDTH + 4;
  // Of the buffers: {function, buffer, word}
  localparam PLACE = FUNCTION_WIDTH + 11;

  wire is_status = decoded_kind == KIND_STATUS;
  wire command_valid = decoded_valid && !decoded_admin;
  wire begins = command_valid && !is_status;
  wire refused = command_valid && is_status;

  // The context table
  wire walked_valid, request_valid, grant_valid, compared_valid;
  wire [CTX-1:0] walked_context, event_context, request_context, grant_context, compared_context;
  wire [2:0] walked_table_kind, event_kind, request_kind, grant_kind, compared_kind, host_kind, unsent_kind;
  wire [2:0] read_look_kind, read_chosen_kind;
  wire [CTX-1:0] read_look_context, read_chosen_context, fetch_look_context, fetch_chosen_context;
  wire [11:0] read_look_offset, read_chosen_offset, fetch_look_offset, fetch_chosen_offset;
  wire [11:0] fetch_look_second_offset, fetch_chosen_second_offset;
  wire [ROW-1:0] event_row, request_row, grant_queue_row;
  wire [15:0] request_id;
  wire [10:0] event_second_status;
  wire [17:0] event_length, request_length;
  wire [ADDRESS_WIDTH-1:0] request_address;
  context_table #(
      .CONTEXT_WIDTH(CTX),
      .ROW_WIDTH(ROW),
      .ADDRESS_WIDTH(ADDRESS_WIDTH)
  ) contexts (
      .clk(clk),
      .write_valid(decoded_valid),
      .write_context(decoded_context),
      .write_row(decoded_row),
      .write_kind(decoded_kind),
      .write_two(decoded_two && !decoded_admin),
      .write_id(decoded_id),
      .write_second_id(decoded_second_id),
      .write_second_status(decoded_second_status),
      .write_address(decoded_address),
      .write_length(decoded_length),
      .write_offset(decoded_prps[11:0]),
      .write_second_offset(decoded_second_prps[11:0]),
      .end_context(end_context),
      .end_row(end_row),
      .end_two(end_two),
      .end_id(end_id),
      .end_second_id(end_second_id),
      .walked_context(walked_context),
      .walked_kind(walked_table_kind),
      .event_context(event_context),
      .event_row(event_row),
      .event_kind(event_kind),
      .event_length(event_length),
      .event_second_status(event_second_status),
      .lock_context(request_context),
      .lock_row(request_row),
      .lock_id(request_id),
      .lock_kind(request_kind),
      .lock_address(request_address),
      .lock_length(request_length),
      .grant_context(grant_context),
      .grant_row(grant_queue_row),
      .grant_kind(grant_kind),
      .read_look_context(read_look_context),
      .read_look_kind(read_look_kind),
      .read_look_offset(read_look_offset),
      .read_chosen_context(read_chosen_context),
      .read_chosen_kind(read_chosen_kind),
      .read_chosen_offset(read_chosen_offset),
      .fetch_look_context(fetch_look_context),
      .fetch_look_offset(fetch_look_offset),
      .fetch_look_second_offset(fetch_look_second_offset),
      .fetch_chosen_context(fetch_chosen_context),
      .fetch_chosen_offset(fetch_chosen_offset),
      .fetch_chosen_second_offset(fetch_chosen_second_offset),
      .host_context(host_end_context),
      .host_kind(host_kind),
      .unsent_context(unsent_context),
      .unsent_kind(unsent_kind),
      .compared_context(compared_context),
      .compared_kind(compared_kind)
  );

  // Host pages
  wire [12:0] most_read_bytes = most_bytes > 17'd4096 ? 13'd4096 : most_bytes[12:0];
  wire head_valid, head_set, head_listed, fetch_set;
  wire [CTX-1:0] head_context, read_page_context;
  wire [103:0] head_pages;
  wire [5:0] read_index, fetch_index;
  wire [51:0] read_page, fetch_page;
  wire [10:0] walked_status, walked_second_status;
  prp_walker #(
      .FUNCTIONS(FUNCTIONS),
      .FUNCTION_WIDTH(FW)
  ) walker (
      .clk(clk),
      .rst(rst),
      .gone(gone),
      .forget(forget),
      .most_bytes(most_read_bytes),
      .start_valid(begins),
      .start_context(decoded_context),
      .start_two_sets(decoded_kind == KIND_PAIR && decoded_second_status == STATUS_SUCCESS),
      .start_length(decoded_length),
      .start_prps(decoded_prps),
      .start_second_prps(decoded_second_prps),
      .head_valid(head_valid),
      .head_context(head_context),
      .head_set(head_set),
      .head_listed(head_listed),
      .head_pages(head_pages),
      .list_valid(list_read),
      .list_ready(list_read_ready),
      .list_context(list_read_context),
      .list_address(list_read_address),
      .list_bytes(list_read_bytes),
      .list_dword(list_read_dword),
      .come_valid(list_valid),
      .come_context(host_context),
      .come_word(host_word[2:0]),
      .come_data(host_data),
      .come_lanes(host_lanes),
      .come_split(host_split),
      .end_valid(list_end_valid),
      .end_context(host_end_context),
      .end_failed(host_end_failed),
      .unsent_valid(list_unsent_valid),
      .unsent_context(unsent_context),
      .walked_valid(walked_valid),
      .walked_ready(!refused),
      .walked_context(walked_context),
      .walked_status(walked_status),
      .walked_second_status(walked_second_status)
  );
  prp_memory #(
      .CONTEXT_WIDTH(CTX)
  ) pages (
      .clk(clk),
      .head_valid(head_valid),
      .head_context(head_context),
      .head_set(head_set),
      .head_listed(head_listed),
      .head_pages(head_pages),
      .come_valid(list_valid),
      .come_context(host_context),
      .come_word(host_word[2:0]),
      .come_data(host_data),
      .come_lanes(host_lanes),
      .come_split(host_split),
      .read_context(read_page_context),
      .read_set(1'b0),
      .read_index(read_index),
      .read_page(read_page),
      .fetch_context(fetch_chosen_context),
      .fetch_set(fetch_set),
      .fetch_index(fetch_index),
      .fetch_page(fetch_page)
  );

  // A command may be walked in the cycle in which it is decoded: its row of the table is there a cycle later.
  wire [2:0] walked_kind = decoded_valid && decoded_context == walked_context ? decoded_kind : walked_table_kind;
  wire lock_read = walked_valid && !refused && walked_status == STATUS_SUCCESS && walked_kind == KIND_READ;
  wire started_valid;
  wire [CTX-1:0] started_context;
  wire [10:0] started_status, started_second_status;
  sync_fifo #(
      .WIDTH(CTX + 22),
      .DEPTH_WIDTH(NUMBER)
  ) started (
      .clk(clk),
      .rst(rst),
      .push_valid(walked_valid || refused),
      .push_entry(
          refused ? {decoded_context, decoded_status, STATUS_SUCCESS} : {walked_context, walked_status, walked_second_status}
      ),
      .valid(started_valid),
      .entry({started_context, started_status, started_second_status}),
      .pop(1'b1)
  );

  // Segments: what happens to them, in the order in which it happens
  wire asked_valid, asked_ready, asked_slot, asked_none, asked_last, pass_valid;
  wire [CTX-1:0] asked_context;
  wire [NUMBER-1:0] next_number;
  wire sent_asking_valid, sent_passed_valid, sent_ready;
  wire [CTX-1:0] sent_asking_context, sent_passed_context;
  sync_fifo #(
      .WIDTH(CTX),
      .DEPTH_WIDTH(NUMBER)
  ) asked (
      .clk(clk),
      .rst(rst),
      .push_valid(asked_valid && asked_ready && asked_last),
      .push_entry(asked_context),
      .valid(sent_asking_valid),
      .entry(sent_asking_context),
      .pop(sent_ready)
  );
  sync_fifo #(
      .WIDTH(CTX),
      .DEPTH_WIDTH(NUMBER)
  ) passed (
      .clk(clk),
      .rst(rst),
      .push_valid(pass_valid),
      .push_entry({next_number[NUMBER-1:4], 1'b0, next_number[3:0]}),
      .valid(sent_passed_valid),
      .entry(sent_passed_context),
      .pop(sent_ready && !sent_asking_valid)
  );
  wire is_lost;
  wire [NUMBER:0] is_lost_row;
  wire is_filled, is_filled_first_failed, is_filled_second_failed, filled_valid, filled_ready, filled_slot;
  wire filled_first_failed, filled_second_failed;
  wire [  NUMBER:0] is_filled_row;
  wire [NUMBER-1:0] filled_number;
  sync_fifo #(
      .WIDTH(NUMBER + 3),
      .DEPTH_WIDTH(NUMBER + 1)
  ) filled (
      .clk(clk),
      .rst(rst),
      .push_valid(is_filled),
      .push_entry({is_filled_row, is_filled_first_failed, is_filled_second_failed}),
      .valid(filled_valid),
      .entry({filled_number, filled_slot, filled_first_failed, filled_second_failed}),
      .pop(filled_ready)
  );
  wire is_moved, moved_valid, moved_ready;
  wire [CTX-1:0] is_moved_context, moved_context;
  wire [10:0] is_moved_status, moved_status;
  sync_fifo #(
      .WIDTH(CTX + 11),
      .DEPTH_WIDTH(NUMBER)
  ) moved (
      .clk(clk),
      .rst(rst),
      .push_valid(is_moved),
      .push_entry({is_moved_context, is_moved_status}),
      .valid(moved_valid),
      .entry({moved_context, moved_status}),
      .pop(moved_ready)
  );

  wire want_valid, want_two, want_slot, lock_segment, lock_slot, free_valid, free_slot, over_valid;
  wire [8:0] want_start, lock_start;
  wire [5:0] want_sectors;
  wire [10:0] over_status, over_second_status, compared_second_status;
  wire [(1<<NUMBER)-1:0] dead;
  segment_engine #(
      .FUNCTIONS(FUNCTIONS),
      .FUNCTION_WIDTH(FW),
      .ATOMIC_UNIT_BYTES(ATOMIC_UNIT_BYTES)
  ) engine (
      .clk(clk),
      .rst(rst),
      .gone(gone),
      .begin_valid(command_valid),
      .begin_context(decoded_context),
      .walked_valid(started_valid),
      .walked_context(started_context),
      .walked_status(started_status),
      .walked_second_status(started_second_status),
      .sent_valid(sent_asking_valid || sent_passed_valid),
      .sent_ready(sent_ready),
      .sent_context(sent_asking_valid ? sent_asking_context : sent_passed_context),
      .sent_passed(!sent_asking_valid),
      .filled_valid(filled_valid),
      .filled_ready(filled_ready),
      .filled_context({filled_number[NUMBER-1:4], 1'b0, filled_number[3:0]}),
      .filled_slot(filled_slot),
      .filled_first_failed(filled_first_failed),
      .filled_second_failed(filled_second_failed),
      .lost_valid(is_lost),
      .lost_context({is_lost_row[NUMBER:5], 1'b0, is_lost_row[4:1]}),
      .lost_slot(is_lost_row[0]),
      .moved_valid(moved_valid),
      .moved_ready(moved_ready),
      .moved_context(moved_context),
      .moved_status(moved_status),
      .abort_valid(abort_valid),
      .abort_ready(abort_ready),
      .abort_context(abort_context),
      .abort_second(abort_second),
      .abort_taken(abort_taken),
      .grant_valid(grant_valid),
      .grant_context(grant_context),
      .look_context(event_context),
      .look_kind(event_kind),
      .look_length(event_length),
      .look_second_status(event_second_status),
      .want_valid(want_valid),
      .want_start(want_start),
      .want_sectors(want_sectors),
      .want_two(want_two),
      .want_slot(want_slot),
      .lock_valid(lock_segment),
      .lock_start(lock_start),
      .lock_slot(lock_slot),
      .free_valid(free_valid),
      .free_slot(free_slot),
      .ended_valid(over_valid),
      .ended_status(over_status),
      .ended_second_status(over_second_status),
      .dead(dead),
      .compared_context(compared_context),
      .compared_second_status(compared_second_status)
  );
  sync_fifo #(
      .WIDTH(CTX + 22),
      .DEPTH_WIDTH(NUMBER)
  ) ended (
      .clk(clk),
      .rst(rst),
      .push_valid(over_valid),
      .push_entry({event_context, over_status, over_second_status}),
      .valid(ended_valid),
      .entry({ended_context, ended_status, ended_second_status}),
      .pop(ended_ready)
  );

  // Buffers
  wire give_valid, give_two, give_slot, room_busy;
  wire [ROW-1:0] give_row;
  wire [2:0] give_pages;
  wire [5:0] give_sectors;
  wire [8:0] give_start;
  wire [FW-1:0] room_function;
  wire [4:0] room;
  wire [NUMBER-1:0] event_number = {event_context[CTX-1:5], event_context[3:0]};
  buffer_turns #(
      .FUNCTIONS(FUNCTIONS),
      .FUNCTION_WIDTH(FW),
      .QUEUES(QUEUES),
      .QUEUE_WIDTH(QUEUE_WIDTH),
      .SEGMENT_WIDTH(10)
  ) hand_out (
      .clk(clk),
      .rst(rst),
      .push_valid(want_valid),
      .push_row(event_row),
      .push_number(event_context[3:0]),
      .push_sectors(want_sectors),
      .push_two(want_two),
      .push_segment({want_start, want_slot}),
      .free_valid(free_valid),
      .free_function(event_context[CTX-1:5]),
      .room_function(room_function),
      .room(room),
      .hold(room_busy),
      .next_number(next_number),
      .next_dead(dead[next_number]),
      .give_valid(give_valid),
      .pass_valid(pass_valid),
      .give_row(give_row),
      .give_pages(give_pages),
      .give_sectors(give_sectors),
      .give_two(give_two),
      .give_segment({give_start, give_slot})
  );
  wire [PLACE-1:0] host_place, host_next_place, out_place, compare_place;
  wire [CTX+8:0] out_word;
  wire out_enable, buffer_half;
  wire [CTX-1:0] buffer_context;
  wire [1:0] buffer_page;
  wire [3:0] buffer_number;
  buffer_map #(
      .FUNCTIONS(FUNCTIONS),
      .FUNCTION_WIDTH(FW)
  ) map (
      .clk(clk),
      .rst(rst),
      .room_function(room_function),
      .room(room),
      .busy(room_busy),
      .give_valid(give_valid),
      .give_number(next_number),
      .give_slot(give_slot),
      .give_pages(give_pages),
      .give_two(give_two),
      .free_valid(free_valid),
      .free_number(event_number),
      .free_slot(free_slot),
      .host_number({host_context[CTX-1:5], host_context[3:0]}),
      .host_half(host_half),
      .host_word(host_word),
      .host_place(host_place),
      .host_next_place(host_next_place),
      .out_word(out_word),
      .out_place(out_place),
      .page_number({buffer_context[CTX-1:5], buffer_context[3:0]}),
      .page_half(buffer_half),
      .page(buffer_page),
      .page_buffer(buffer_number)
  );
  wire [255:0] compare_data;
  buffer_memory #(
      .WORD_WIDTH(PLACE)
  ) buffers (
      .clk(clk),
      .write_valid(host_valid),
      .write_word(host_place),
      .write_next_word(host_next_place),
      .write_data(host_data),
      .write_lanes(host_lanes),
      .write_split(host_split),
      .out_enable(out_enable),
      .out_word(out_place),
      .out_data(m_axi_wdata),
      .compare_word(compare_place),
      .compare_data(compare_data)
  );

  // Host data of segments
  wire [NUMBER-1:0] fetch_look_number = {fetch_look_context[CTX-1:5], fetch_look_context[3:0]};
  wire [NUMBER-1:0] asked_number = {asked_context[CTX-1:5], asked_context[3:0]};
  wire [NUMBER-1:0] fetch_chosen_number = {fetch_chosen_context[CTX-1:5], fetch_chosen_context[3:0]};
  data_fetch #(
      .FUNCTIONS(FUNCTIONS),
      .FUNCTION_WIDTH(FW),
      .QUEUES(QUEUES),
      .QUEUE_WIDTH(QUEUE_WIDTH)
  ) fetcher (
      .clk(clk),
      .rst(rst),
      .most_bytes(most_read_bytes),
      .start_valid(give_valid),
      .start_row(give_row),
      .start_context({next_number[NUMBER-1:4], 1'b0, next_number[3:0]}),
      .start_sector(give_start),
      .start_sectors(give_sectors),
      .start_two(give_two),
      .start_slot(give_slot),
      .look_context(fetch_look_context),
      .look_offset(fetch_look_offset),
      .look_second_offset(fetch_look_second_offset),
      .look_dead(dead[fetch_look_number]),
      .granule_context(fetch_chosen_context),
      .granule_offset(fetch_chosen_offset),
      .granule_second_offset(fetch_chosen_second_offset),
      .granule_dead(dead[fetch_chosen_number]),
      .page_set(fetch_set),
      .page_index(fetch_index),
      .page(fetch_page),
      .read_valid(data_read),
      .read_ready(data_read_ready),
      .read_address(data_read_address),
      .read_bytes(data_read_bytes),
      .read_context(data_read_context),
      .read_half(data_read_half),
      .read_dword(data_read_dword),
      .asked_valid(asked_valid),
      .asked_ready(asked_ready),
      .asked_context(asked_context),
      .asked_slot(asked_slot),
      .asked_dead(dead[asked_number]),
      .asked_none(asked_none),
      .asked_last(asked_last)
  );
  wire host_pair = host_kind == KIND_PAIR;
  wire host_slot = host_end_half && !host_pair;
  wire unsent_slot = unsent_half && unsent_kind != KIND_PAIR;
  segment_reads #(
      .ROW_WIDTH(NUMBER + 1)
  ) reads (
      .clk(clk),
      .rst(rst),
      .asked_valid(asked_valid),
      .asked_ready(asked_ready),
      .asked_row({asked_context[CTX-1:5], asked_context[3:0], asked_slot}),
      .asked_none(asked_none),
      .asked_last(asked_last),
      .ended_valid(host_end_valid),
      .ended_row({host_end_context[CTX-1:5], host_end_context[3:0], host_slot}),
      .ended_first_failed(host_end_failed && !(host_pair && host_end_half)),
      .ended_second_failed(host_end_failed && host_pair && host_end_half),
      .unsent_valid(unsent_valid),
      .unsent_row({unsent_context[CTX-1:5], unsent_context[3:0], unsent_slot}),
      .forget(forget),
      .lost_valid(is_lost),
      .lost_row(is_lost_row),
      .filled_valid(is_filled),
      .filled_row(is_filled_row),
      .filled_first_failed(is_filled_first_failed),
      .filled_second_failed(is_filled_second_failed)
  );

  // The range lock
  wire grant_reads, grant_writes, dropped_valid, read_release, write_release;
  wire [5:0] grant_row, read_release_row, write_release_row;
  wire [ADDRESS_WIDTH-1:0] read_chosen_address, out_address;
  wire [17:0] read_look_length, read_chosen_length, out_length;
  wire read_chosen_half, out_half;
  wire [CTX-1:0] out_context;
  lock_stage #(
      .FUNCTIONS(FUNCTIONS),
      .FUNCTION_WIDTH(FW),
      .ADDRESS_WIDTH(ADDRESS_WIDTH),
      .ATOMIC_UNIT_BYTES(ATOMIC_UNIT_BYTES)
  ) locks (
      .clk(clk),
      .rst(rst),
      .dead(dead),
      .read_valid(lock_read),
      .read_context(walked_context),
      .segment_valid(lock_segment),
      .segment_context(event_context),
      .segment_start(lock_start),
      .segment_slot(lock_slot),
      .request_context(request_context),
      .request_kind(request_kind),
      .request_address(request_address),
      .request_length(request_length),
      .grant_context(grant_context),
      .grant_kind(grant_kind),
      .grant_valid(grant_valid),
      .grant_reads(grant_reads),
      .grant_writes(grant_writes),
      .dropped_valid(dropped_valid),
      .grant_row(grant_row),
      .release_valid(read_release),
      .release_row(read_release_row),
      .release_write_valid(write_release),
      .release_write_row(write_release_row),
      .move_look_context(read_look_context),
      .move_look_length(read_look_length),
      .move_chosen_context(read_chosen_context),
      .move_chosen_address(read_chosen_address),
      .move_chosen_length(read_chosen_length),
      .move_chosen_half(read_chosen_half),
      .move_out_context(out_context),
      .move_out_address(out_address),
      .move_out_length(out_length),
      .move_out_half(out_half),
      .request_valid(request_valid),
      .request_waits(lock_wait_valid),
      .request_first(lock_request_first),
      .request_last(lock_request_last),
      .request_exclusive(lock_request_exclusive),
      .release_context(lock_release_context),
      .release_write_context(lock_release_write_context)
  );
  assign lock_wait_context = request_context;
  assign lock_request_valid = request_valid;
  assign lock_request_context = request_context;
  assign lock_request_queue = request_row[QUEUE_WIDTH-1:0];
  assign lock_request_command = request_id;
  // Not one that is given up at once, because its command has failed meanwhile.
  assign lock_grant_valid = grant_reads || grant_writes;
  assign lock_grant_context = grant_context;
  assign lock_release_valid = read_release;
  assign lock_release_write_valid = write_release;

  // Medium to host, and to the comparator
  wire [ID_WIDTH+7:0] store_word;
  wire [(8<<ID_WIDTH)-1:0] words;
  wire read_burst, read_burst_last, sent_admin;
  wire [CTX-1:0] read_burst_context;
  wire [ID_WIDTH-1:0] read_burst_buffer, sent_buffer;
  wire [63:0] read_burst_address;
  wire [12:0] read_burst_length;
  wire [11:0] read_burst_offset;
  wire admin_room;

  wire compared_differs, compared_failed, read_failed, sending_dead, sent_dropped;
  wire [CTX-1:0] read_failed_context, sending_context;
  read_path #(
      .FUNCTIONS(FUNCTIONS),
      .FUNCTION_WIDTH(FW),
      .QUEUES(QUEUES),
      .QUEUE_WIDTH(QUEUE_WIDTH),
      .ADDRESS_WIDTH(ADDRESS_WIDTH),
      .ID_WIDTH(ID_WIDTH)
  ) reader (
      .clk(clk),
      .rst(rst),
      .gone(gone),
      .start_valid(grant_reads),
      .start_context(grant_context),
      .start_row(grant_queue_row),
      .start_lock_row(grant_row),
      .cost_context(read_look_context),
      .cost_length(read_look_length),
      .cost_offset(read_look_offset),
      .cost_compares(read_look_kind != KIND_READ),
      .look_context(read_chosen_context),
      .look_address(read_chosen_address),
      .look_length(read_chosen_length),
      .look_offset(read_chosen_offset),
      .look_compares(read_chosen_kind != KIND_READ),
      .look_half(read_chosen_half),
      .page_context(read_page_context),
      .page_index(read_index),
      .page_number(read_page),
      .buffer_context(buffer_context),
      .buffer_half(buffer_half),
      .buffer_page(buffer_page),
      .buffer_number(buffer_number),
      .m_axi_arid(m_axi_arid),
      .m_axi_araddr(m_axi_araddr),
      .m_axi_arlen(m_axi_arlen),
      .m_axi_arvalid(m_axi_arvalid),
      .m_axi_arready(m_axi_arready),
      .m_axi_rid(m_axi_rid),
      .m_axi_rvalid(m_axi_rvalid),
      .m_axi_rdata(m_axi_rdata),
      .m_axi_rresp(m_axi_rresp),
      .compare_word(compare_place),
      .compare_data(compare_data),
      .compared_valid(compared_valid),
      .compared_context(compared_context),
      .compared_differs(compared_differs),
      .compared_failed(compared_failed),
      .store_word(store_word),
      .words(words),
      .burst_valid(read_burst),
      .burst_context(read_burst_context),
      .burst_buffer(read_burst_buffer),
      .burst_address(read_burst_address),
      .burst_length(read_burst_length),
      .burst_offset(read_burst_offset),
      .burst_last(read_burst_last),
      .sending_context(sending_context),
      .sending_dead(sending_dead),
      .sent_valid(sent_valid && !sent_admin),
      .sent_buffer(sent_buffer),
      .sent_dropped(sent_dropped),
      .read_failed_valid(read_failed),
      .read_failed_context(read_failed_context),
      .release_valid(read_release),
      .release_row(read_release_row)
  );

  assign admin_burst_ready = admin_room && !read_burst;

  read_sender #(
      .FUNCTION_WIDTH(FW),
      .ID_WIDTH(ID_WIDTH)
  ) sender (
      .clk(clk),
      .rst(rst),
      .max_payload(max_payload),
      .burst_valid(read_burst || (admin_burst && admin_burst_ready)),
      .burst_admin(!read_burst),
      .burst_context(read_burst ? read_burst_context : admin_burst_context),
      .burst_buffer(read_burst_buffer),
      .burst_address(read_burst ? read_burst_address : admin_burst_address),
      .burst_length(read_burst ? read_burst_length : admin_burst_length),
      .burst_offset(read_burst ? read_burst_offset : admin_burst_offset),
      .burst_last(read_burst ? read_burst_last : admin_burst_last),
      .admin_room(admin_room),
      .store_valid(m_axi_rvalid),
      .store_good(m_axi_rresp == 2'd0),
      .store_word(store_word),
      .store_data(m_axi_rdata),
      .words(words),
      .page_enable(page_enable),
      .page_context(page_context),
      .page_word(page_word),
      .page_data(page_data),
      .data_valid(data_valid),
      .data_ready(data_ready),
      .data_function(data_function),
      .data_beat(data_beat),
      .data_keep(data_keep),
      .data_first(data_first),
      .data_last(data_last),
      .data_one_dword(data_one_dword),
      .sending_context(sending_context),
      .sending_dead(sending_dead),
      .sent_dropped(sent_dropped),
      .sent_valid(sent_valid),
      .sent_admin(sent_admin),
      .sent_buffer(sent_buffer),
      .sent_last(sent_last),
      .sent_context(sent_context)
  );

  // Host to medium
  write_path #(
      .CONTEXT_WIDTH(CTX),
      .ADDRESS_WIDTH(ADDRESS_WIDTH)
  ) writer (
      .clk(clk),
      .rst(rst),
      .grant_valid(grant_valid),
      .grant_context(grant_context),
      .grant_row(grant_row),
      .grant_writes(grant_writes),
      .grant_dropped(dropped_valid),
      .compared_valid(compared_valid),
      .compared_context(compared_context),
      .compared_differs(compared_differs),
      .compared_failed(compared_failed),
      .compared_writes(
          compared_kind == KIND_PAIR && compared_second_status == STATUS_SUCCESS && !gone[compared_context[CTX-1:5]]
      ),
      .read_failed_valid(read_failed),
      .read_failed_context(read_failed_context),
      .look_context(out_context),
      .look_address(out_address),
      .look_length(out_length),
      .look_half(out_half),
      .word_enable(out_enable),
      .word(out_word),
      .m_axi_awaddr(m_axi_awaddr),
      .m_axi_awlen(m_axi_awlen),
      .m_axi_awuser(m_axi_awuser),
      .m_axi_awvalid(m_axi_awvalid),
      .m_axi_awready(m_axi_awready),
      .m_axi_wlast(m_axi_wlast),
      .m_axi_wvalid(m_axi_wvalid),
      .m_axi_wready(m_axi_wready),
      .m_axi_bvalid(m_axi_bvalid),
      .m_axi_bresp(m_axi_bresp),
      .moved_valid(is_moved),
      .moved_context(is_moved_context),
      .moved_status(is_moved_status),
      .release_valid(write_release),
      .release_row(write_release_row)
  );

endmodule

`resetall
