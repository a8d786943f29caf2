// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// completion_engine: the end of a command: its CQE, or a pair's two, then one MSI-X message, a cycle each.
//
// Commands come by four doors and wait in one place: those whose data have left (`sent`, which may come every cycle and
// go first), those written, those refused, admin commands. A CQE is handed to the RQ in the cycle in which the last data
// beat may be on the port, so it follows right behind. Into a completion queue of two slots a pair puts one half, and
// parks the other.

`resetall
`timescale 1ns / 1ps
`default_nettype none

module completion_engine #(
    // Functions, and width of a function's number
    parameter FUNCTIONS = 7,
    parameter FUNCTION_WIDTH = 3,
    // Width of a queue's, a row's and a context's number
    parameter QUEUE_WIDTH = 3,
    parameter ROW_WIDTH = FUNCTION_WIDTH + QUEUE_WIDTH,
    parameter CONTEXT_WIDTH = FUNCTION_WIDTH + 5
) (
    input wire clk,
    input wire rst,

    // Functions that get no completions any more
    input wire [FUNCTIONS-1:0] silent,

    // A Read whose last beat has been handed over
    input  wire                     sent_valid,
    input  wire [CONTEXT_WIDTH-1:0] sent_context,
    // A command that has ended with these statuses
    input  wire                     ended_valid,
    output wire                     ended_ready,
    input  wire [CONTEXT_WIDTH-1:0] ended_context,
    input  wire [             10:0] ended_status,
    input  wire [             10:0] ended_second_status,
    // An admin command
    input  wire                     admin_valid,
    output wire                     admin_ready,
    input  wire [CONTEXT_WIDTH-1:0] admin_context,
    input  wire [             10:0] admin_status,
    input  wire [             31:0] admin_dword0,
    input  wire                     admin_silent,

    // A completion that no context stands for; its CQ has a slot
    input  wire                 event_valid,
    output wire                 event_ready,
    input  wire [ROW_WIDTH-1:0] event_row,
    input  wire [         15:0] event_id,
    input  wire [         10:0] event_status,
    input  wire [         31:0] event_dword0,

    // The second half of a pair whose CQ has two slots: to be parked, and one that has its slot now
    output wire                     park_valid,
    output wire [             10:0] park_status,
    input  wire                     parked_valid,
    output wire                     parked_taken,
    input  wire [CONTEXT_WIDTH-1:0] parked_context,
    input  wire [             10:0] parked_status,

    // The context table, and the queues
    output wire [CONTEXT_WIDTH-1:0] look_context,
    input  wire [    ROW_WIDTH-1:0] look_row,
    input  wire                     look_two,
    input  wire [             15:0] look_id,
    input  wire [             15:0] look_second_id,
    // Halves that have got their CQEs by an Abort
    input  wire [              1:0] look_aborted,
    output wire [    ROW_WIDTH-1:0] submission_row,
    input  wire [             15:0] submission_head,
    input  wire [  QUEUE_WIDTH-1:0] completion_queue,
    output wire [    ROW_WIDTH-1:0] completion_row,
    input  wire [             63:0] completion_address,
    input  wire                     completion_phase,
    input  wire                     completion_two_slots,
    input  wire                     completion_interrupts,
    input  wire [              4:0] completion_vector,
    output wire                     post_valid,
    // The slot had not been reserved
    output wire                     post_claims,
    output wire                     release_valid,

    // The CQE that is posted belongs to the command `look_context`, in its row, and is its second
    output wire        note_valid,
    output wire        note_second,
    output wire [15:0] note_id,
    output wire [10:0] note_status,
    // Of the first half of a pair: what the second will end with
    output wire [10:0] note_second_status,

    // The command is over: its context is free
    output wire                     free_valid,
    output wire [CONTEXT_WIDTH-1:0] free_context,

    // MSI-X: one completion or two, of an I/O queue or not; answered by what to send now, if anything
    output wire                      raise_valid,
    output wire [FUNCTION_WIDTH-1:0] raise_function,
    output wire [               4:0] raise_vector,
    output wire                      raise_two,
    output wire                      raise_io,
    input  wire                      raise_sends,
    input  wire [              63:0] raise_address,
    input  wire [              31:0] raise_data,
    input  wire                      pending_valid,
    output wire                      pending_taken,
    input  wire [FUNCTION_WIDTH-1:0] pending_function,
    input  wire [              63:0] pending_address,
    input  wire [              31:0] pending_data,

    // To the RQ
    output wire                      small_valid,
    input  wire                      small_ready,
    output wire [FUNCTION_WIDTH-1:0] small_function,
    output wire [              63:0] small_address,
    output wire [              10:0] small_dwords,
    output wire [             127:0] small_data
);

  `include "nvme_defs.vh"

  localparam [1:0] FIRST = 2'd0;
  localparam [1:0] SECOND = 2'd1;
  localparam [1:0] INTERRUPT = 2'd2;

  reg [1:0] state_reg;
  // Reads that have to wait: as many as there are staging buffers
  reg [CONTEXT_WIDTH-1:0] sent_reg[0:15];
  reg [4:0] sent_write_reg, sent_read_reg;
  wire sent_waits = sent_write_reg != sent_read_reg;
  wire has_sent = sent_waits || sent_valid;
  wire [CONTEXT_WIDTH-1:0] sent_next = sent_waits ? sent_reg[sent_read_reg[3:0]] : sent_context;

  // The command whose CQE is next
  wire from_ended = !has_sent && ended_valid;
  wire from_admin = !has_sent && !ended_valid && admin_valid;
  wire any = has_sent || ended_valid || admin_valid;
  wire from_parked = state_reg == FIRST && !any && parked_valid;
  wire from_event = state_reg == FIRST && !any && !parked_valid && event_valid;
  reg [CONTEXT_WIDTH-1:0] context_reg;
  reg [10:0] second_status_reg;
  wire [CONTEXT_WIDTH-1:0] first_context = has_sent ? sent_next :
      (ended_valid ? ended_context : (admin_valid ? admin_context : parked_context));
  assign look_context = state_reg == SECOND ? context_reg : first_context;
  wire [10:0] status = state_reg == SECOND ? second_status_reg :
      (from_ended ? ended_status : (from_admin ? admin_status : (from_parked ? parked_status :
      (from_event ? event_status : STATUS_SUCCESS))));
  wire [31:0] dword0 = from_event ? event_dword0 : (state_reg == FIRST && from_admin ? admin_dword0 : 32'd0);
  wire is_second = state_reg == SECOND || from_parked;
  wire aborted = !from_event && look_aborted[is_second];
  wire no_cqe = (state_reg == FIRST && from_admin && admin_silent) || aborted;
  wire [FUNCTION_WIDTH-1:0] function_number =
      from_event ? event_row[ROW_WIDTH-1-:FUNCTION_WIDTH] : look_context[CONTEXT_WIDTH-1-:FUNCTION_WIDTH];
  wire mute = silent[function_number];

  wire half = (state_reg == FIRST && any) || state_reg == SECOND || from_parked || from_event;
  wire step = half && (mute || no_cqe || small_ready);
  assign event_ready  = from_event && step;
  assign parked_taken = from_parked && step;
  wire more = state_reg == FIRST && look_two && !from_parked && !from_event;
  wire parks = more && completion_two_slots && !mute;
  assign park_valid = step && parks;
  assign park_status = from_ended ? ended_second_status : STATUS_SUCCESS;
  assign ended_ready = state_reg == FIRST && from_ended && step;
  assign admin_ready = state_reg == FIRST && from_admin && step;

  assign submission_row = from_event ? event_row : look_row;
  assign post_claims = from_event || from_parked;
  assign completion_row = {function_number, completion_queue};
  assign post_valid = step && !mute && !no_cqe;
  // A half that was parked has no slot.
  assign release_valid = step && !mute && no_cqe && !from_parked;
  assign free_valid = step && !more && !from_event;
  assign free_context = look_context;

  // Would the same command fail again?
  wire io_again = status == STATUS_INVALID_OPCODE || status == STATUS_INVALID_FIELD ||
      status == STATUS_INVALID_NAMESPACE || status == STATUS_LBA_OUT_OF_RANGE ||
      status == STATUS_ABORTED_MISSING_FUSED;
  wire admin_again = status != STATUS_SUCCESS && status != STATUS_ASYNC_EVENT_LIMIT_EXCEEDED;
  wire again = !from_event && (look_context[4] ? admin_again : io_again);
  wire [15:0] id = from_event ? event_id : (is_second ? look_second_id : look_id);
  wire [15:0] queue_id = {{(16 - QUEUE_WIDTH) {1'b0}}, submission_row[QUEUE_WIDTH-1:0]};
  wire [127:0] entry = {again, 3'b000, status, completion_phase, id, queue_id, submission_head, 32'd0, dword0};

  assign note_valid = post_valid && !from_event;
  assign note_second = is_second;
  assign note_id = id;
  assign note_status = status;
  assign note_second_status = from_ended ? ended_second_status : STATUS_SUCCESS;

  // The message behind it
  reg [FUNCTION_WIDTH-1:0] raise_function_reg;
  reg [4:0] raise_vector_reg;
  reg posted_reg, raise_two_reg, raise_io_reg;
  wire posts = !mute && !no_cqe;
  wire first_posted = state_reg == SECOND && posted_reg;
  wire in_interrupt = state_reg == INTERRUPT && small_ready;
  assign raise_valid = in_interrupt && !silent[raise_function_reg];
  assign raise_function = raise_function_reg;
  assign raise_vector = raise_vector_reg;
  assign raise_two = raise_two_reg;
  assign raise_io = raise_io_reg;
  // A message that was masked goes when nothing else is to be done.
  assign pending_taken = pending_valid && state_reg == FIRST && !any && !parked_valid && !event_valid && small_ready;

  assign small_valid = post_valid || (raise_valid && raise_sends) || pending_taken;
  assign small_function = half ? function_number : (pending_taken ? pending_function : raise_function_reg);
  assign small_address = half ? completion_address : (pending_taken ? pending_address : raise_address);
  assign small_dwords = half ? 11'd4 : 11'd1;
  assign small_data = half ? entry : {96'd0, pending_taken ? pending_data : raise_data};

  always @(posedge clk) begin
    if (sent_valid && !(state_reg == FIRST && step && !sent_waits)) begin
      sent_reg[sent_write_reg[3:0]] <= sent_context;
      sent_write_reg <= sent_write_reg + 5'd1;
    end
    if (state_reg == FIRST && step && sent_waits) sent_read_reg <= sent_read_reg + 5'd1;
    if (step) begin
      context_reg <= look_context;
      second_status_reg <= from_ended ? ended_second_status : STATUS_SUCCESS;
      raise_function_reg <= function_number;
      raise_vector_reg <= completion_vector;
      posted_reg <= posts;
      raise_two_reg <= first_posted && posts;
      raise_io_reg <= submission_row[QUEUE_WIDTH-1:0] != {QUEUE_WIDTH{1'b0}};
      if (more && !parks) state_reg <= SECOND;
      else state_reg <= completion_interrupts && (posts || first_posted) ? INTERRUPT : FIRST;
    end
    if (in_interrupt) state_reg <= FIRST;
    if (rst) begin
      state_reg <= FIRST;
      sent_write_reg <= 5'd0;
      sent_read_reg <= 5'd0;
    end
  end

endmodule

`resetall
