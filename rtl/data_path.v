// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// data_path: what moves data between hosts and medium: the I/O commands from their decoding to their statuses.
//
// Wiring: context table, fetch of host data and their buffers, range lock, read and write path, sender. A Read is over
// with the last TLP that `sent_last` tells; all others, and what the decoder refused, come out on `ended`. Pages of the
// admin engine are sent from here, too, behind what Reads have to send.

`resetall
`timescale 1ns / 1ps
`default_nettype none

module data_path #(
    // Functions, and width of a function's number
    parameter FUNCTIONS = 7,
    parameter FUNCTION_WIDTH = 3,
    // Width of a queue's number
    parameter QUEUE_WIDTH = 3,
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

    // A read of host data, and where they go: {context, half, dword}
    output wire                      data_read,
    input  wire                      data_read_ready,
    output wire [FUNCTION_WIDTH-1:0] data_read_function,
    output wire [              63:0] data_read_address,
    output wire [              12:0] data_read_bytes,
    output wire [ CONTEXT_WIDTH-1:0] data_read_context,
    output wire                      data_read_half,
    output wire [              10:0] data_read_dword,

    // Host data come; a read of them has ended; another was not sent
    input wire                     host_valid,
    input wire [CONTEXT_WIDTH+7:0] host_word,
    input wire [            255:0] host_data,
    input wire [              7:0] host_lanes,
    input wire [              2:0] host_split,
    input wire                     host_end_valid,
    input wire [CONTEXT_WIDTH-1:0] host_end_context,
    input wire                     host_end_half,
    input wire                     host_end_failed,
    input wire                     unsent_valid,
    input wire [CONTEXT_WIDTH-1:0] unsent_context,

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

    // Aborts a command, or the second half of a pair: taken when it will end with Abort Requested
    input  wire                     abort_valid,
    output wire                     abort_ready,
    input  wire [CONTEXT_WIDTH-1:0] abort_context,
    input  wire                     abort_second,
    output wire                     abort_taken,

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
    input  wire                     m_axi_rvalid,
    output wire [ADDRESS_WIDTH-1:0] m_axi_awaddr,
    output wire [              7:0] m_axi_awlen,
    output wire                     m_axi_awvalid,
    input  wire                     m_axi_awready,
    output wire [            255:0] m_axi_wdata,
    output wire                     m_axi_wlast,
    output wire                     m_axi_wvalid,
    input  wire                     m_axi_wready,
    input  wire                     m_axi_bvalid
);

  localparam FW = FUNCTION_WIDTH;
  localparam CTX = CONTEXT_WIDTH;
  localparam ROW = ROW_WIDTH;

  `include "nvme_defs.vh"
  `include "command_kinds.vh"

  // PRP lists are not walked yet: a command that needs one ends with Internal Error, untouched.
  wire [17:0] page_end = {6'd0, decoded_prps[11:0]} + decoded_length;
  wire [17:0] second_page_end = {6'd0, decoded_second_prps[11:0]} + decoded_length;
  wire needs_list = decoded_kind != KIND_STATUS &&
      (page_end > 18'd8192 || (decoded_kind == KIND_PAIR && second_page_end > 18'd8192));
  wire is_read = decoded_kind == KIND_READ && !needs_list;
  wire is_write = decoded_kind != KIND_STATUS && decoded_kind != KIND_READ && !needs_list;
  wire command_valid = decoded_valid && !decoded_admin;

  // Nothing that has begun is aborted yet.
  assign abort_ready = abort_valid;
  assign abort_taken = 1'b0;
  wire abort_unused = &{1'b0, abort_context, abort_second};

  wire [CTX-1:0] lock_context, read_context, grant_context;
  wire [2:0] lock_kind, grant_kind, read_kind, fetch_kind, out_kind, compared_kind;
  wire [CTX-1:0] data_context, out_context, compared_context;
  wire [17:0] data_length, out_length;
  wire [127:0] data_prps, data_second_prps;
  wire [10:0] data_second_status, compared_own_status;
  wire [ADDRESS_WIDTH-1:0] out_address;
  wire [ADDRESS_WIDTH-1:0] lock_address, read_medium;
  wire [17:0] lock_length, read_length;
  wire [127:0] read_prps;

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
      .write_prps(decoded_prps),
      .write_second_prps(decoded_second_prps),
      .end_context(end_context),
      .end_row(end_row),
      .end_two(end_two),
      .end_id(end_id),
      .end_second_id(end_second_id),
      .lock_context(lock_context),
      .lock_kind(lock_kind),
      .lock_address(lock_address),
      .lock_length(lock_length),
      .read_context(read_context),
      .read_address(read_medium),
      .read_length(read_length),
      .read_prps(read_prps),
      .read_kind(read_kind),
      .fetch_context(data_context),
      .fetch_kind(fetch_kind),
      .fetch_length(data_length),
      .fetch_prps(data_prps),
      .fetch_second_prps(data_second_prps),
      .fetch_second_status(data_second_status),
      .out_context(out_context),
      .out_kind(out_kind),
      .out_address(out_address),
      .out_length(out_length),
      .compared_context(compared_context),
      .compared_kind(compared_kind),
      .compared_second_status(compared_own_status),
      .grant_context(grant_context),
      .grant_kind(grant_kind)
  );

  // Commands that end with statuses: those refused (by the decoder, or for want of their data), and those that are
  // through with the medium
  wire refused_valid, moved_valid, filled_valid, filled_first_failed, filled_second_failed;
  wire [CTX-1:0] refused_context, moved_context, filled_context, write_end_context;
  wire [10:0] refused_status, refused_second_status, moved_status, moved_second_status, write_end_status;
  wire [10:0] write_end_second_status;
  wire write_end;
  reg refused_reg;
  reg [CTX+21:0] refused_entry_reg;
  wire filled_bad = filled_first_failed || gone[filled_context[CTX-1:5]];
  wire filled_ready = !(filled_bad && refused_reg);
  wire filled_good = filled_valid && !filled_bad;
  always @(posedge clk) begin
    refused_reg <= command_valid && !is_read && !is_write && !rst;
    refused_entry_reg <= {
      decoded_context,
      needs_list ? STATUS_INTERNAL_ERROR : decoded_status,
      needs_list && decoded_two ? STATUS_ABORTED_FAILED_FUSED : decoded_second_status
    };
  end
  sync_fifo #(
      .WIDTH(CTX + 22),
      .DEPTH_WIDTH(CTX)
  ) refused (
      .clk(clk),
      .rst(rst),
      .push_valid(refused_reg || (filled_valid && filled_bad)),
      .push_entry(
          refused_reg ? refused_entry_reg : {filled_context, STATUS_DATA_TRANSFER_ERROR, STATUS_ABORTED_FAILED_FUSED}
      ),
      .valid(refused_valid),
      .entry({refused_context, refused_status, refused_second_status}),
      .pop(ended_ready && !moved_valid)
  );
  sync_fifo #(
      .WIDTH(CTX + 22),
      .DEPTH_WIDTH(CTX)
  ) moved (
      .clk(clk),
      .rst(rst),
      .push_valid(write_end),
      .push_entry({write_end_context, write_end_status, write_end_second_status}),
      .valid(moved_valid),
      .entry({moved_context, moved_status, moved_second_status}),
      .pop(ended_ready)
  );
  assign ended_valid = moved_valid || refused_valid;
  assign ended_context = moved_valid ? moved_context : refused_context;
  assign ended_status = moved_valid ? moved_status : refused_status;
  assign ended_second_status = moved_valid ? moved_second_status : refused_second_status;

  // Host data of Writes and Compares
  data_fetch #(
      .FUNCTIONS(FUNCTIONS),
      .FUNCTION_WIDTH(FW)
  ) fetcher (
      .clk(clk),
      .rst(rst),
      .gone(gone),
      .most_bytes(most_bytes > 17'd4096 ? 13'd4096 : most_bytes[12:0]),
      .start_valid(command_valid && is_write),
      .start_context(decoded_context),
      .look_context(data_context),
      .look_pair(fetch_kind == KIND_PAIR && data_second_status == STATUS_SUCCESS),
      .look_length(data_length),
      .look_prps(data_prps),
      .look_second_prps(data_second_prps),
      .read_valid(data_read),
      .read_ready(data_read_ready),
      .read_function(data_read_function),
      .read_address(data_read_address),
      .read_bytes(data_read_bytes),
      .read_context(data_read_context),
      .read_half(data_read_half),
      .read_dword(data_read_dword),
      .end_valid(host_end_valid),
      .end_context(host_end_context),
      .end_half(host_end_half),
      .end_failed(host_end_failed),
      .unsent_valid(unsent_valid),
      .unsent_context(unsent_context),
      .forget(forget),
      .filled_valid(filled_valid),
      .filled_ready(filled_ready),
      .filled_context(filled_context),
      .filled_first_failed(filled_first_failed),
      .filled_second_failed(filled_second_failed)
  );

  // Pairs whose Write has lost its data: they compare all the same.
  reg [(1<<CTX)-1:0] second_lost_reg;
  always @(posedge clk) if (filled_valid) second_lost_reg[filled_context] <= filled_second_failed;

  wire word_enable;
  wire [CTX+7:0] out_word, compare_word;
  wire [255:0] compare_data;
  buffer_memory #(
      .WORD_WIDTH(CTX + 8)
  ) buffers (
      .clk(clk),
      .write_valid(host_valid),
      .write_word(host_word),
      .write_data(host_data),
      .write_lanes(host_lanes),
      .write_split(host_split),
      .out_enable(word_enable),
      .out_word(out_word),
      .out_data(m_axi_wdata),
      .compare_word(compare_word),
      .compare_data(compare_data)
  );

  // The range lock
  wire [FUNCTIONS-1:0] lock_waits, lock_free;
  wire [FW-1:0] lock_function;
  wire lock_any;
  assign lock_wait_context = lock_context;
  reg [FW-1:0] lock_from_reg;
  wire [ADDRESS_WIDTH-1:0] lock_last_byte = lock_address + {{(ADDRESS_WIDTH - 18) {1'b0}}, lock_length} - 1'b1;
  wire grant_valid;
  wire [5:0] grant_row, read_release_row, write_end_row;
  wire read_release;
  always @(posedge clk) begin
    if (lock_any) lock_from_reg <= lock_function == FUNCTIONS[FW-1:0] - 1'b1 ? {FW{1'b0}} : lock_function + 1'b1;
    if (rst) lock_from_reg <= {FW{1'b0}};
  end

  // Commands whose data are there go before Reads: there is one in a data phase, and Reads come every four cycles.
  wire [FUNCTIONS-1:0] filled_waits;
  wire [FW-1:0] lock_read_function, lock_filled_function;
  wire [CTX-1:0] lock_read_context, lock_filled_context;
  wire lock_read_any, lock_filled_any;
  assign lock_any = lock_read_any || lock_filled_any;
  assign lock_function = lock_filled_any ? lock_filled_function : lock_read_function;
  assign lock_context = lock_filled_any ? lock_filled_context : lock_read_context;
  function_fifos #(
      .FUNCTIONS(FUNCTIONS),
      .FUNCTION_WIDTH(FW),
      .WIDTH(CTX)
  ) lock_requests (
      .clk(clk),
      .rst(rst),
      .push_valid(command_valid && is_read),
      .push_entry(decoded_context),
      .waits(lock_waits),
      .look_function(lock_read_function),
      .look_entry(lock_read_context),
      .pop_valid(lock_read_any && !lock_filled_any)
  );
  function_fifos #(
      .FUNCTIONS(FUNCTIONS),
      .FUNCTION_WIDTH(FW),
      .WIDTH(CTX)
  ) lock_requests_filled (
      .clk(clk),
      .rst(rst),
      .push_valid(filled_good),
      .push_entry(filled_context),
      .waits(filled_waits),
      .look_function(lock_filled_function),
      .look_entry(lock_filled_context),
      .pop_valid(lock_filled_any)
  );
  round_robin #(
      .COUNT(FUNCTIONS),
      .WIDTH(FW)
  ) lock_turn (
      .request(lock_waits & lock_free),
      .from(lock_from_reg),
      .chosen(lock_read_function),
      .valid(lock_read_any)
  );
  round_robin #(
      .COUNT(FUNCTIONS),
      .WIDTH(FW)
  ) lock_turn_filled (
      .request(filled_waits & lock_free),
      .from(lock_from_reg),
      .chosen(lock_filled_function),
      .valid(lock_filled_any)
  );
  range_lock #(
      .FUNCTIONS(FUNCTIONS),
      .FUNCTION_WIDTH(FW),
      .ROWS_PER_FUNCTION(7),
      .ADDRESS_WIDTH(ADDRESS_WIDTH - 9),
      .CONTEXT_WIDTH(CTX)
  ) lock (
      .clk(clk),
      .rst(rst),
      .free(lock_free),
      .request_valid(lock_any),
      .request_context(lock_context),
      .request_first(lock_address[ADDRESS_WIDTH-1:9]),
      .request_last(lock_last_byte[ADDRESS_WIDTH-1:9]),
      .request_exclusive(lock_kind == KIND_WRITE || lock_kind == KIND_PAIR),
      .request_waits(lock_wait_valid),
      .grant_valid(grant_valid),
      .grant_ready(1'b1),
      .grant_context(grant_context),
      .grant_row(grant_row),
      .release_valid(read_release),
      .release_row(read_release_row),
      .release_write_valid(write_end),
      .release_write_row(write_end_row)
  );

  // Medium to host, and to the comparator
  wire compared_valid, compared_differs;
  wire [ID_WIDTH+7:0] store_word;
  wire [(8<<ID_WIDTH)-1:0] words;
  wire read_burst, read_burst_last, sent_admin;
  wire [CTX-1:0] read_burst_context;
  wire [ID_WIDTH-1:0] read_burst_buffer, sent_buffer;
  wire [63:0] read_burst_address;
  wire [12:0] read_burst_length;
  wire [11:0] read_burst_offset;
  wire admin_room;

  read_path #(
      .FUNCTIONS(FUNCTIONS),
      .FUNCTION_WIDTH(FW),
      .ADDRESS_WIDTH(ADDRESS_WIDTH),
      .ID_WIDTH(ID_WIDTH)
  ) reader (
      .clk(clk),
      .rst(rst),
      .start_valid(grant_valid && grant_kind != KIND_WRITE),
      .start_context(grant_context),
      .start_lock_row(grant_row),
      .look_context(read_context),
      .look_address(read_medium),
      .look_length(read_length),
      .look_prps(read_prps),
      .look_compares(read_kind != KIND_READ),
      .m_axi_arid(m_axi_arid),
      .m_axi_araddr(m_axi_araddr),
      .m_axi_arlen(m_axi_arlen),
      .m_axi_arvalid(m_axi_arvalid),
      .m_axi_arready(m_axi_arready),
      .m_axi_rid(m_axi_rid),
      .m_axi_rvalid(m_axi_rvalid),
      .m_axi_rdata(m_axi_rdata),
      .compare_word(compare_word),
      .compare_data(compare_data),
      .compared_valid(compared_valid),
      .compared_context(compared_context),
      .compared_differs(compared_differs),
      .store_word(store_word),
      .words(words),
      .burst_valid(read_burst),
      .burst_context(read_burst_context),
      .burst_buffer(read_burst_buffer),
      .burst_address(read_burst_address),
      .burst_length(read_burst_length),
      .burst_offset(read_burst_offset),
      .burst_last(read_burst_last),
      .sent_valid(sent_valid && !sent_admin),
      .sent_buffer(sent_buffer),
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
      .sent_valid(sent_valid),
      .sent_admin(sent_admin),
      .sent_buffer(sent_buffer),
      .sent_last(sent_last),
      .sent_context(sent_context)
  );

  // Host to medium
  wire second_lost = second_lost_reg[compared_context];
  write_path #(
      .CONTEXT_WIDTH(CTX),
      .ADDRESS_WIDTH(ADDRESS_WIDTH)
  ) writer (
      .clk(clk),
      .rst(rst),
      .grant_valid(grant_valid && grant_kind != KIND_READ),
      .grant_context(grant_context),
      .grant_row(grant_row),
      .grant_writes(grant_kind == KIND_WRITE),
      .compared_valid(compared_valid),
      .compared_context(compared_context),
      .compared_differs(compared_differs),
      .compared_writes(compared_kind == KIND_PAIR && compared_own_status == STATUS_SUCCESS && !second_lost),
      .compared_second_status(second_lost ? STATUS_DATA_TRANSFER_ERROR : compared_own_status),
      .look_context(out_context),
      .look_pair(out_kind == KIND_PAIR),
      .look_address(out_address),
      .look_length(out_length),
      .word_enable(word_enable),
      .word(out_word),
      .m_axi_awaddr(m_axi_awaddr),
      .m_axi_awlen(m_axi_awlen),
      .m_axi_awvalid(m_axi_awvalid),
      .m_axi_awready(m_axi_awready),
      .m_axi_wlast(m_axi_wlast),
      .m_axi_wvalid(m_axi_wvalid),
      .m_axi_wready(m_axi_wready),
      .m_axi_bvalid(m_axi_bvalid),
      .end_valid(write_end),
      .end_context(write_end_context),
      .end_row(write_end_row),
      .end_status(write_end_status),
      .end_second_status(write_end_second_status)
  );

endmodule

`resetall
