// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// admin_path: admin commands from their decoding to their answers, and what is kept for them to ask for.
//
// Wiring: admin engine, asynchronous events, Abort, the pages that are sent, counters, error log.

`resetall
`timescale 1ns / 1ps
`default_nettype none

module admin_path #(
    // Functions, and width of a function's number
    parameter FUNCTIONS = 7,
    parameter FUNCTION_WIDTH = 3,
    // I/O queue pairs of a function, and width of a queue's number
    parameter IO_QUEUES = 4,
    parameter QUEUE_WIDTH = 3,
    // Logical block size, log2 of bytes
    parameter LBA_SHIFT = 12,
    // AWUN = AWUPF = ACWU in bytes
    parameter ATOMIC_UNIT_BYTES = 16384,
    // Widths of a row's and of a context's number (derived)
    parameter ROW_WIDTH = FUNCTION_WIDTH + QUEUE_WIDTH,
    parameter CONTEXT_WIDTH = FUNCTION_WIDTH + 5
) (
    input wire clk,
    input wire rst,

    // Functions that lose their commands and their state
    input wire [FUNCTIONS-1:0] gone,

    input wire [ 63:0] namespace_blocks,
    input wire [159:0] serial_number,

    // What the decoder found out, of every command
    input wire                     decoded_valid,
    input wire                     decoded_admin,
    input wire [CONTEXT_WIDTH-1:0] decoded_context,
    input wire [              2:0] decoded_kind,
    input wire [             17:0] decoded_length,
    input wire [            511:0] decoded_entry,
    input wire [            511:0] decoded_second_entry,
    input wire [             10:0] decoded_rejection,
    input wire [              7:0] decoded_byte,
    input wire [    ROW_WIDTH-1:0] decoded_row,
    input wire                     decoded_two,
    input wire [             15:0] decoded_id,
    input wire [             15:0] decoded_second_id,
    input wire [              1:0] decoded_aborted,

    // SQE FIFOs: an identifier comes; commands are taken out, of which an Abort has ended some, as is told a cycle later
    input  wire                     come_valid,
    input  wire [    ROW_WIDTH-1:0] come_row,
    input  wire [              3:0] come_slot,
    input  wire [             15:0] come_id,
    input  wire                     pop_valid,
    input  wire                     pop_two,
    input  wire [    ROW_WIDTH-1:0] pop_row,
    input  wire [              3:0] pop_slot,
    output wire [              1:0] pop_aborted,
    // Whole SQEs in the FIFO of a queue; its completion queue has a slot
    output wire [    ROW_WIDTH-1:0] search_row,
    input  wire [             15:0] search_there,
    input  wire                     search_room,
    // A context is free; halves of a command that have got their CQEs by an Abort
    input  wire                     free_valid,
    input  wire [CONTEXT_WIDTH-1:0] free_context,
    input  wire [CONTEXT_WIDTH-1:0] look_context,
    output wire [              1:0] look_aborted,
    // Aborts a command in flight, or the second half of a pair: taken when it will end so
    output wire                     abort_valid,
    input  wire                     abort_ready,
    output wire [CONTEXT_WIDTH-1:0] abort_context,
    output wire                     abort_second,
    input  wire                     abort_taken,

    // The queues there are
    input  wire [            (1<<ROW_WIDTH)-1:0] submission_live,
    input  wire [            (1<<ROW_WIDTH)-1:0] completion_live,
    input  wire [(1<<ROW_WIDTH)*QUEUE_WIDTH-1:0] completion_queues,
    // Makes and deletes queues; not in this cycle
    input  wire                                  queues_busy,
    output wire                                  create_submission_valid,
    output wire                                  create_completion_valid,
    output wire [                 ROW_WIDTH-1:0] create_row,
    output wire [                          63:0] create_address,
    output wire [                          15:0] create_last,
    output wire [               QUEUE_WIDTH-1:0] create_completion_queue,
    output wire                                  create_interrupts,
    output wire [                           4:0] create_vector,
    output wire                                  drop_submission_valid,
    output wire                                  remove_submission_valid,
    output wire                                  remove_completion_valid,
    output wire [                 ROW_WIDTH-1:0] delete_row,
    input  wire                                  delete_empty,

    // A page to the host: a burst, taken when ready; its words, in the cycle after an enabled one
    output wire                     burst_valid,
    input  wire                     burst_ready,
    output wire [CONTEXT_WIDTH-1:0] burst_context,
    output wire [             63:0] burst_address,
    output wire [             12:0] burst_length,
    output wire [             11:0] burst_offset,
    output wire                     burst_last,
    input  wire                     page_enable,
    input  wire [CONTEXT_WIDTH-1:0] page_context,
    input  wire [              7:0] page_word,
    output wire [            511:0] page_data,

    // The answer; it is held: no completion now
    output wire                     end_valid,
    input  wire                     end_ready,
    output wire [CONTEXT_WIDTH-1:0] end_context,
    output wire [             10:0] end_status,
    output wire [             31:0] end_dword0,
    output wire                     end_silent,

    // A CQE is posted for a command
    input wire                      note_valid,
    input wire [ CONTEXT_WIDTH-1:0] note_context,
    input wire [   QUEUE_WIDTH-1:0] note_queue,
    input wire [              15:0] note_id,
    input wire                      note_second,
    input wire [              10:0] note_status,
    input wire [              10:0] note_second_status,
    // A command has to wait for the range lock
    input wire                      lock_wait_valid,
    input wire [ CONTEXT_WIDTH-1:0] lock_wait_context,
    // A doorbell of no queue; a value that cannot be
    input wire                      wrong_register,
    input wire                      wrong_value,
    input wire [FUNCTION_WIDTH-1:0] wrong_function,

    // Functions whose admin CQ has a slot; a CQE that no context stands for
    input  wire [FUNCTIONS-1:0] room,
    output wire                 event_valid,
    input  wire                 event_ready,
    output wire [ROW_WIDTH-1:0] event_row,
    output wire [         15:0] event_id,
    output wire [         10:0] event_status,
    output wire [         31:0] event_dword0,

    // Interrupt coalescing of each function, side by side: {time, threshold - 1}, and a bit for each vector left out
    output wire [16*FUNCTIONS-1:0] coalescing,
    output wire [32*FUNCTIONS-1:0] uncoalesced
);

  localparam FW = FUNCTION_WIDTH;

  `include "nvme_defs.vh"

  wire [FW-1:0] function_number;
  wire [3*FUNCTIONS-1:0] pages;
  wire open_errors_valid, hold_valid, errors_read_valid, health_read_valid;
  wire [15:0] hold_id;
  wire [FUNCTIONS-1:0] hold_full, too_hot, hot_event;
  wire [10:0] end_location;
  wire go_valid, abort_done, abort_failed, over_valid;
  wire [15:0] go_queue_id, go_id;
  admin_engine #(
      .FUNCTIONS(FUNCTIONS),
      .FUNCTION_WIDTH(FW),
      .IO_QUEUES(IO_QUEUES),
      .QUEUE_WIDTH(QUEUE_WIDTH)
  ) engine (
      .clk(clk),
      .rst(rst),
      .clear(gone),
      .start_valid(decoded_valid && decoded_admin),
      .start_context(decoded_context),
      .start_entry(decoded_entry),
      .submission_live(submission_live),
      .completion_live(completion_live),
      .completion_queues(completion_queues),
      .queues_busy(queues_busy),
      .create_submission_valid(create_submission_valid),
      .create_completion_valid(create_completion_valid),
      .create_row(create_row),
      .create_address(create_address),
      .create_last(create_last),
      .create_completion_queue(create_completion_queue),
      .create_interrupts(create_interrupts),
      .create_vector(create_vector),
      .drop_submission_valid(drop_submission_valid),
      .remove_submission_valid(remove_submission_valid),
      .remove_completion_valid(remove_completion_valid),
      .delete_row(delete_row),
      .delete_empty(delete_empty),
      .burst_valid(burst_valid),
      .burst_ready(burst_ready),
      .burst_context(burst_context),
      .burst_address(burst_address),
      .burst_length(burst_length),
      .burst_offset(burst_offset),
      .burst_last(burst_last),
      .pages(pages),
      .open_errors_valid(open_errors_valid),
      .end_valid(end_valid),
      .end_ready(end_ready),
      .end_context(end_context),
      .end_status(end_status),
      .end_dword0(end_dword0),
      .end_location(end_location),
      .end_silent(end_silent),
      .function_number(function_number),
      .hold_valid(hold_valid),
      .hold_id(hold_id),
      .hold_full(hold_full),
      .errors_read_valid(errors_read_valid),
      .health_read_valid(health_read_valid),
      .abort_valid(go_valid),
      .abort_queue_id(go_queue_id),
      .abort_id(go_id),
      .abort_done(abort_done),
      .abort_failed(abort_failed),
      .over_valid(over_valid),
      .too_hot(too_hot),
      .hot_event(hot_event),
      .coalescing(coalescing),
      .uncoalesced(uncoalesced)
  );

  wire withdraw_valid, withdraw_known, withdraw_found, withdraw_take;
  wire [FW-1:0] withdraw_function, held_function;
  wire [15:0] withdraw_id, held_id, post_id;
  wire [31:0] held_dword0;
  wire held_valid, post_valid;
  wire [ROW_WIDTH-1:0] post_row;
  async_events #(
      .FUNCTIONS(FUNCTIONS),
      .FUNCTION_WIDTH(FW)
  ) events (
      .clk(clk),
      .rst(rst),
      .clear(gone),
      .hold_valid(hold_valid),
      .hold_function(function_number),
      .hold_id(hold_id),
      .full(hold_full),
      .withdraw_valid(withdraw_valid),
      .withdraw_function(withdraw_function),
      .withdraw_id(withdraw_id),
      .withdraw_known(withdraw_known),
      .withdraw_found(withdraw_found),
      .withdraw_take(withdraw_take),
      .wrong_register(wrong_register),
      .wrong_value(wrong_value),
      .wrong_function(wrong_function),
      .hot(hot_event),
      .errors_read_valid(errors_read_valid),
      .health_read_valid(health_read_valid),
      .read_function(function_number),
      .room(room),
      .event_valid(held_valid),
      .event_ready(event_ready && !post_valid),
      .event_function(held_function),
      .event_id(held_id),
      .event_dword0(held_dword0)
  );

  abort_unit #(
      .FUNCTIONS(FUNCTIONS),
      .FUNCTION_WIDTH(FW),
      .QUEUE_WIDTH(QUEUE_WIDTH)
  ) aborts (
      .clk(clk),
      .rst(rst),
      .clear(gone),
      .start_valid(decoded_valid && decoded_admin && decoded_entry[7:0] == ADMIN_ABORT),
      .start_function(decoded_context[CONTEXT_WIDTH-1:5]),
      .start_queue_id(decoded_entry[SQE_CDW10+:16]),
      .start_id(decoded_entry[SQE_CDW10+16+:16]),
      .go_valid(go_valid),
      .go_function(function_number),
      .go_queue_id(go_queue_id),
      .go_id(go_id),
      .done(abort_done),
      .failed(abort_failed),
      .over_valid(over_valid),
      .search_row(search_row),
      .search_there(search_there),
      .search_room(search_room),
      .come_valid(come_valid),
      .come_row(come_row),
      .come_slot(come_slot),
      .come_id(come_id),
      .pop_valid(pop_valid),
      .pop_two(pop_two),
      .pop_row(pop_row),
      .pop_slot(pop_slot),
      .pop_aborted(pop_aborted),
      .decoded_valid(decoded_valid && !decoded_admin),
      .decoded_context(decoded_context),
      .decoded_row(decoded_row),
      .decoded_two(decoded_two),
      .decoded_id(decoded_id),
      .decoded_second_id(decoded_second_id),
      .decoded_aborted(decoded_aborted),
      .free_valid(free_valid),
      .free_context(free_context),
      .look_context(look_context),
      .look_aborted(look_aborted),
      .withdraw_valid(withdraw_valid),
      .withdraw_function(withdraw_function),
      .withdraw_id(withdraw_id),
      .withdraw_known(withdraw_known),
      .withdraw_found(withdraw_found),
      .withdraw_take(withdraw_take),
      .post_valid(post_valid),
      .post_ready(event_ready),
      .post_row(post_row),
      .post_id(post_id),
      .abort_valid(abort_valid),
      .abort_ready(abort_ready),
      .abort_context(abort_context),
      .abort_second(abort_second),
      .abort_taken(abort_taken)
  );
  assign event_valid = post_valid || held_valid;
  assign event_row = post_valid ? post_row : {held_function, {QUEUE_WIDTH{1'b0}}};
  assign event_id = post_valid ? post_id : held_id;
  assign event_status = post_valid ? STATUS_ABORT_REQUESTED : STATUS_SUCCESS;
  assign event_dword0 = post_valid ? 32'd0 : held_dword0;

  // What has ended
  wire ended_valid, ended_first;
  wire [CONTEXT_WIDTH-1:0] ended_context;
  wire [2:0] ended_kind;
  wire [17:0] ended_length;
  wire [10:0] ended_status, ended_second_status;
  wire [15:0] ended_queue_id, ended_id, ended_location;
  wire [63:0] ended_block;
  wire [31:0] ended_namespace_id;
  command_notes #(
      .CONTEXT_WIDTH(CONTEXT_WIDTH),
      .QUEUE_WIDTH  (QUEUE_WIDTH)
  ) notes (
      .clk(clk),
      .rst(rst),
      .write_valid(decoded_valid),
      .write_admin(decoded_admin),
      .write_context(decoded_context),
      .write_kind(decoded_kind),
      .write_length(decoded_length),
      .write_entry(decoded_entry),
      .write_second_entry(decoded_second_entry),
      .write_rejection(decoded_rejection),
      .write_byte(decoded_byte),
      .post_valid(note_valid),
      .post_context(note_context),
      .post_queue(note_queue),
      .post_id(note_id),
      .post_second(note_second),
      .post_status(note_status),
      .post_second_status(note_second_status),
      .post_admin_location(end_location),
      .end_valid(ended_valid),
      .end_first(ended_first),
      .end_context(ended_context),
      .end_kind(ended_kind),
      .end_length(ended_length),
      .end_status(ended_status),
      .end_second_status(ended_second_status),
      .end_queue_id(ended_queue_id),
      .end_id(ended_id),
      .end_location(ended_location),
      .end_block(ended_block),
      .end_namespace_id(ended_namespace_id)
  );

  wire [FW-1:0] page_function = page_context[CONTEXT_WIDTH-1:5];
  wire [FW-1:0] even_function, odd_function;
  wire [255:0] counters_even, counters_odd, error_data;
  wire [63:0] host_reads, host_writes, data_units_read, data_units_written, media_errors, error_count;
  wire [5:0] error_entry;
  io_counters #(
      .FUNCTIONS(FUNCTIONS),
      .FUNCTION_WIDTH(FW)
  ) counters (
      .clk(clk),
      .rst(rst),
      .start_valid(decoded_valid && !decoded_admin),
      .start_context(decoded_context),
      .wait_valid(lock_wait_valid),
      .wait_context(lock_wait_context),
      .end_valid(ended_valid && ended_first && !ended_context[4]),
      .end_context(ended_context),
      .end_kind(ended_kind),
      .end_length(ended_length),
      .end_status(ended_status),
      .end_second_status(ended_second_status),
      .page_enable(page_enable),
      .even_function(even_function),
      .odd_function(odd_function),
      .health_function(page_function),
      .even_data(counters_even),
      .odd_data(counters_odd),
      .host_reads(host_reads),
      .host_writes(host_writes),
      .data_units_read(data_units_read),
      .data_units_written(data_units_written),
      .media_errors(media_errors)
  );

  error_log #(
      .FUNCTIONS(FUNCTIONS),
      .FUNCTION_WIDTH(FW)
  ) errors (
      .clk(clk),
      .rst(rst),
      .clear(gone),
      .command_valid(ended_valid && ended_status != STATUS_SUCCESS),
      .command_function(ended_context[CONTEXT_WIDTH-1:5]),
      .command_queue_id(ended_queue_id),
      .command_id(ended_id),
      .command_status(ended_status),
      .command_location(ended_location),
      .command_block(ended_block),
      .command_namespace_id(ended_namespace_id),
      .doorbell_valid(wrong_register || wrong_value),
      .doorbell_function(wrong_function),
      .open_valid(open_errors_valid),
      .open_function(function_number),
      .page_enable(page_enable),
      .page_function(page_function),
      .page_entry(error_entry),
      .page_data(error_data),
      .page_count(error_count)
  );

  wire [31:0] power_on_hours;
  hour_counter power_on (
      .clk  (clk),
      .rst  (rst),
      .hours(power_on_hours)
  );
  admin_page #(
      .FUNCTIONS(FUNCTIONS),
      .FUNCTION_WIDTH(FW),
      .LBA_SHIFT(LBA_SHIFT),
      .ATOMIC_UNIT_BYTES(ATOMIC_UNIT_BYTES)
  ) words (
      .clk(clk),
      .enable(page_enable),
      .function_number(page_function),
      .page(pages[3*page_function+:3]),
      .word(page_word),
      .data(page_data),
      .namespace_blocks(namespace_blocks),
      .serial_number(serial_number),
      .too_hot(too_hot),
      .power_on_hours(power_on_hours),
      .even_function(even_function),
      .odd_function(odd_function),
      .counters_even(counters_even),
      .counters_odd(counters_odd),
      .host_reads(host_reads),
      .host_writes(host_writes),
      .data_units_read(data_units_read),
      .data_units_written(data_units_written),
      .media_errors(media_errors),
      .error_entry(error_entry),
      .error_data(error_data),
      .error_count(error_count)
  );

endmodule

`resetall
