// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// segment_engine: where every Write, Compare and pair is between its decoding and its statuses.
//
// A command is cut into segments of the atomic unit. A segment waits for its buffers, is fetched, then locked, then moved;
// a command has two slots for segments, so that one is fetched while another is moved, and holds or awaits one lock at
// most. A Read is in here only until it has its lock, as one whose first slot waits for it. One event a cycle changes one
// row. A command that has failed starts nothing more and ends when nothing of it is under way; `dead` tells the others,
// and that its function is gone.

`resetall
`timescale 1ns / 1ps
`default_nettype none

module segment_engine #(
    // Functions, and width of a function's number
    parameter FUNCTIONS = 7,
    parameter FUNCTION_WIDTH = 3,
    // Atomic unit in bytes
    parameter ATOMIC_UNIT_BYTES = 16384,
    // Widths of a context's number, and of one without the admin bit (derived)
    parameter CONTEXT_WIDTH = FUNCTION_WIDTH + 5,
    parameter NUMBER_WIDTH = FUNCTION_WIDTH + 4
) (
    input wire clk,
    input wire rst,

    // Functions whose commands move nothing any more
    input wire [FUNCTIONS-1:0] gone,

    // A command begins to be walked
    input  wire                     begin_valid,
    input  wire [CONTEXT_WIDTH-1:0] begin_context,
    // It is walked, or was refused: goes on when its status is 0; always taken
    input  wire                     walked_valid,
    input  wire [CONTEXT_WIDTH-1:0] walked_context,
    input  wire [             10:0] walked_status,
    input  wire [             10:0] walked_second_status,
    // All reads of the newest segment have been asked for; or it passed without buffers
    input  wire                     sent_valid,
    output wire                     sent_ready,
    input  wire [CONTEXT_WIDTH-1:0] sent_context,
    input  wire                     sent_passed,
    // All reads of a segment have ended; data of it, or of the second half of a pair, are missing
    input  wire                     filled_valid,
    output wire                     filled_ready,
    input  wire [CONTEXT_WIDTH-1:0] filled_context,
    input  wire                     filled_slot,
    input  wire                     filled_first_failed,
    input  wire                     filled_second_failed,
    // Data of a segment are missing, others of it are still to come
    input  wire                     lost_valid,
    input  wire [CONTEXT_WIDTH-1:0] lost_context,
    input  wire                     lost_slot,
    // The segment that had or awaited the lock is through with the medium
    input  wire                     moved_valid,
    output wire                     moved_ready,
    input  wire [CONTEXT_WIDTH-1:0] moved_context,
    input  wire [             10:0] moved_status,
    // An Abort of the command, or of the second half of a pair: taken when it will end with Abort Requested
    input  wire                     abort_valid,
    output wire                     abort_ready,
    input  wire [CONTEXT_WIDTH-1:0] abort_context,
    input  wire                     abort_second,
    output wire                     abort_taken,
    // A lock is granted
    input  wire                     grant_valid,
    input  wire [CONTEXT_WIDTH-1:0] grant_context,

    // The context table: of the event's command, and what the decoder said of its second half
    output wire [CONTEXT_WIDTH-1:0] look_context,
    input  wire [              2:0] look_kind,
    input  wire [             17:0] look_length,
    input  wire [             10:0] look_second_status,

    // A segment wants buffers: where it begins and how long it is, in sectors of 512 bytes
    output wire        want_valid,
    output wire [ 8:0] want_start,
    output wire [ 5:0] want_sectors,
    output wire        want_two,
    output wire        want_slot,
    // A segment is to be locked
    output wire        lock_valid,
    output wire [ 8:0] lock_start,
    output wire        lock_slot,
    // A segment's buffers are free
    output wire        free_valid,
    output wire        free_slot,
    // The command has ended
    output wire        ended_valid,
    output wire [10:0] ended_status,
    output wire [10:0] ended_second_status,

    // Commands that have failed or whose function is gone, by their number without the admin bit
    output wire [(1<<NUMBER_WIDTH)-1:0] dead,

    // The second status of a command that was compared
    input  wire [CONTEXT_WIDTH-1:0] compared_context,
    output wire [             10:0] compared_second_status
);

  `include "nvme_defs.vh"
  `include "command_kinds.vh"

  localparam NUMBERS = 1 << NUMBER_WIDTH;
  localparam integer UNIT_SECTORS = ATOMIC_UNIT_BYTES / 512;
  localparam [8:0] UNIT = UNIT_SECTORS[8:0];

  // What a slot's segment does
  localparam [2:0] IDLE = 3'd0;
  // Waits for buffers, or is being asked for
  localparam [2:0] ASKING = 3'd1;
  localparam [2:0] COMING = 3'd2;
  // All there; the other slot's turn comes first
  localparam [2:0] FILLED = 3'd3;
  // Awaits or has the lock
  localparam [2:0] LOCKED = 3'd4;

  // Row: slot of the newest segment, begin of both segments and of the next one, what both do, failed, written, status
  localparam WIDTH = 1 + 3 * 9 + 2 * 3 + 2 + 11;
  reg [WIDTH-1:0] row_memory[0:NUMBERS-1];
  reg [10:0] second_memory[0:NUMBERS-1];
  // Known to this engine; failed; moving, or through with the medium once
  reg [NUMBERS-1:0] walked_reg, dead_reg, moving_reg;
  // Aborts of those that are still being walked
  reg [NUMBERS-1:0] aborted_reg, second_aborted_reg, open_reg;
  genvar n;
  generate
    for (n = 0; n < NUMBERS; n = n + 1) begin : gen_dead
      // Functions need not be a power of two, as their numbers are.
      if (n >> 4 < FUNCTIONS) begin : gen_function
        assign dead[n] = dead_reg[n] || gone[n>>4];
      end else begin : gen_none
        assign dead[n] = dead_reg[n];
      end
    end
  endgenerate

  // A segment that is there when its command fails gives its buffers back in the next cycle.
  reg left_valid_reg, left_slot_reg;
  reg [CONTEXT_WIDTH-1:0] left_context_reg;

  // Data are missing: goes before `filled`, which has the same segment's end behind it. A newer one takes its place; then
  // `filled` tells.
  reg lost_valid_reg, lost_slot_reg;
  reg [CONTEXT_WIDTH-1:0] lost_context_reg;

  // The event
  wire is_walked = walked_valid;
  wire is_left = left_valid_reg && !walked_valid;
  wire others = !walked_valid && !left_valid_reg;
  wire is_sent = others && sent_valid;
  wire is_moved = others && !sent_valid && moved_valid;
  wire is_lost = others && !sent_valid && !moved_valid && lost_valid_reg;
  wire is_filled = others && !sent_valid && !moved_valid && !lost_valid_reg && filled_valid;
  wire is_abort = others && !sent_valid && !moved_valid && !lost_valid_reg && !filled_valid && abort_valid;
  assign sent_ready   = is_sent;
  assign moved_ready  = is_moved;
  assign filled_ready = is_filled;
  assign abort_ready  = is_abort;
  wire any = is_left || is_walked || is_sent || is_moved || is_lost || is_filled || is_abort;

  reg [CONTEXT_WIDTH-1:0] event_context;
  always @* begin
    event_context = abort_context;
    if (walked_valid) event_context = walked_context;
    else if (left_valid_reg) event_context = left_context_reg;
    else if (sent_valid) event_context = sent_context;
    else if (moved_valid) event_context = moved_context;
    else if (lost_valid_reg) event_context = lost_context_reg;
    else if (filled_valid) event_context = filled_context;
  end
  assign look_context = event_context;
  wire [NUMBER_WIDTH-1:0] number = {event_context[CONTEXT_WIDTH-1:5], event_context[3:0]};
  wire is_gone = gone[event_context[CONTEXT_WIDTH-1:5]];
  wire [8:0] total = look_length[17:9];

  wire newest, failed, wrote;
  wire [8:0] start_0, start_1, next_start;
  wire [2:0] phase_0, phase_1;
  wire [10:0] status;
  assign {newest, start_1, start_0, next_start, phase_1, phase_0, failed, wrote, status} = row_memory[number];
  wire [10:0] second = second_memory[number];

  // What becomes of it
  reg [2:0] phase_next[0:1];
  reg [2:0] other;
  reg [8:0] start_next[0:1];
  reg [8:0] next_start_next;
  reg newest_next, failed_next, wrote_next;
  reg [10:0] status_next, second_next;
  reg [8:0] left_sectors, sectors;
  reg lock, lock_at, frees, frees_at, leaves, takes_abort, slot, reserves;
  wire aborts_moving = moving_reg[number] || (grant_valid && grant_context == event_context);
  always @* begin
    newest_next = newest;
    phase_next[0] = phase_0;
    phase_next[1] = phase_1;
    start_next[0] = start_0;
    start_next[1] = start_1;
    next_start_next = next_start;
    failed_next = failed;
    wrote_next = wrote;
    status_next = status;
    second_next = second;
    lock = 1'b0;
    lock_at = 1'b0;
    frees = 1'b0;
    frees_at = 1'b0;
    leaves = 1'b0;
    takes_abort = 1'b0;
    slot = is_filled ? filled_slot : (is_lost ? lost_slot_reg : phase_1 == LOCKED);
    other = slot ? phase_0 : phase_1;

    if (is_walked) begin
      phase_next[0] = IDLE;
      phase_next[1] = IDLE;
      newest_next = 1'b1;
      wrote_next = 1'b0;
      next_start_next = 9'd0;
      failed_next = walked_status != STATUS_SUCCESS || aborted_reg[number];
      status_next = walked_status != STATUS_SUCCESS ? walked_status :
          (aborted_reg[number] ? STATUS_ABORT_REQUESTED : STATUS_SUCCESS);
      second_next = second_aborted_reg[number] ? STATUS_ABORT_REQUESTED :
          (look_second_status != STATUS_SUCCESS ? look_second_status : walked_second_status);
      if (look_kind == KIND_READ && walked_status == STATUS_SUCCESS) begin
        // Its lock has been asked for; an abort is found out at the grant.
        phase_next[0]   = LOCKED;
        next_start_next = total;
      end
    end else if (is_sent) begin
      phase_next[newest] = sent_passed ? IDLE : COMING;
    end else if (is_filled) begin
      if (filled_first_failed || is_gone || failed) begin
        phase_next[filled_slot] = IDLE;
        frees = 1'b1;
        frees_at = filled_slot;
        leaves = other == FILLED;
        lock_at = !filled_slot;
        failed_next = 1'b1;
        if (!failed) status_next = STATUS_DATA_TRANSFER_ERROR;
      end else begin
        // Segments are locked in their order, or the later part of a Write that fails would be in the medium.
        lock = filled_slot != newest || other == IDLE;
        lock_at = filled_slot;
        phase_next[filled_slot] = lock ? LOCKED : FILLED;
        if (filled_second_failed && second == STATUS_SUCCESS) second_next = STATUS_DATA_TRANSFER_ERROR;
      end
    end else if (is_lost) begin
      leaves = other == FILLED;
      lock_at = !slot;
      failed_next = 1'b1;
      if (!failed) status_next = STATUS_DATA_TRANSFER_ERROR;
    end else if (is_left) begin
      phase_next[left_slot_reg] = IDLE;
      frees = 1'b1;
      frees_at = left_slot_reg;
    end else if (is_moved) begin
      phase_next[slot] = IDLE;
      frees = look_kind != KIND_READ;
      frees_at = slot;
      wrote_next = wrote || (moved_status == STATUS_SUCCESS && look_kind == KIND_WRITE);
      failed_next = failed || is_gone || moved_status != STATUS_SUCCESS;
      if (!failed) status_next = moved_status;
      if (other == FILLED) begin
        leaves  = failed_next;
        lock_at = !slot;
        if (!failed_next) begin
          lock = 1'b1;
          phase_next[!slot] = LOCKED;
        end
      end
    end else if (is_abort && open_reg[number] && !failed && !wrote && !aborts_moving) begin
      takes_abort = 1'b1;
      if (walked_reg[number] && abort_second) second_next = STATUS_ABORT_REQUESTED;
      else if (walked_reg[number]) begin
        failed_next = 1'b1;
        status_next = STATUS_ABORT_REQUESTED;
      end
    end

    // The next segment, when the one before has been asked for and there is a slot
    left_sectors = total - next_start_next;
    sectors = left_sectors < UNIT ? left_sectors : UNIT;
    reserves = any && !is_abort && !failed_next && next_start_next != total && phase_next[0] != ASKING && phase_next[1] != ASKING &&
        (phase_next[0] == IDLE || phase_next[1] == IDLE);
    if (reserves) begin
      newest_next = phase_next[0] != IDLE;
      phase_next[newest_next] = ASKING;
      start_next[newest_next] = next_start_next;
      next_start_next = next_start_next + sectors;
    end
  end
  assign abort_taken = takes_abort;
  wire over = any && !is_abort && !leaves && phase_next[0] == IDLE && phase_next[1] == IDLE;

  assign want_valid = reserves;
  assign want_start = start_next[newest_next];
  assign want_sectors = sectors[5:0];
  assign want_two = look_kind == KIND_PAIR && second_next == STATUS_SUCCESS;
  assign want_slot = newest_next;
  assign lock_valid = lock;
  assign lock_start = lock_at ? start_1 : start_0;
  assign lock_slot = lock_at;
  assign free_valid = frees;
  assign free_slot = frees_at;
  assign ended_valid = over;
  assign ended_status = status_next;
  // The decoder has said both; else the second half of what failed was never tried.
  wire both_said = is_walked && look_kind == KIND_STATUS;
  assign ended_second_status =
      failed_next && !both_said && second_next != STATUS_ABORT_REQUESTED ? STATUS_ABORTED_FAILED_FUSED : second_next;
  wire [NUMBER_WIDTH-1:0] compared_number = {compared_context[CONTEXT_WIDTH-1:5], compared_context[3:0]};
  assign compared_second_status = second_memory[compared_number];

  wire [NUMBER_WIDTH-1:0] begin_number = {begin_context[CONTEXT_WIDTH-1:5], begin_context[3:0]};
  wire [NUMBER_WIDTH-1:0] grant_number = {grant_context[CONTEXT_WIDTH-1:5], grant_context[3:0]};
  always @(posedge clk) begin
    if (any) begin
      row_memory[number] <= {
        newest_next,
        start_next[1],
        start_next[0],
        next_start_next,
        phase_next[1],
        phase_next[0],
        failed_next,
        wrote_next,
        status_next
      };
      second_memory[number] <= second_next;
      dead_reg[number] <= failed_next;
      if (is_walked) walked_reg[number] <= 1'b1;
      if (over) open_reg[number] <= 1'b0;
      if (is_moved) moving_reg[number] <= 1'b0;
      if (is_abort && takes_abort && !walked_reg[number]) begin
        if (abort_second) second_aborted_reg[number] <= 1'b1;
        else aborted_reg[number] <= 1'b1;
      end
    end
    if (is_lost) lost_valid_reg <= 1'b0;
    if (lost_valid) begin
      lost_valid_reg   <= 1'b1;
      lost_context_reg <= lost_context;
      lost_slot_reg    <= lost_slot;
    end
    if (is_left) left_valid_reg <= 1'b0;
    if (leaves) begin
      left_valid_reg   <= 1'b1;
      left_slot_reg    <= lock_at;
      left_context_reg <= event_context;
    end
    if (grant_valid) moving_reg[grant_number] <= 1'b1;
    if (begin_valid) begin
      walked_reg[begin_number] <= 1'b0;
      dead_reg[begin_number] <= 1'b0;
      moving_reg[begin_number] <= 1'b0;
      aborted_reg[begin_number] <= 1'b0;
      second_aborted_reg[begin_number] <= 1'b0;
      open_reg[begin_number] <= 1'b1;
    end
    if (rst) begin
      left_valid_reg <= 1'b0;
      lost_valid_reg <= 1'b0;
      open_reg <= {NUMBERS{1'b0}};
      dead_reg <= {NUMBERS{1'b0}};
    end
  end

endmodule

`resetall
