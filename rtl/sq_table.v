// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// sq_table: the rows of all submission queues, and the engine that fetches SQEs for them.
//
// A row is {function, queue}. A tail doorbell is applied in its cycle. A queue wants SQEs when its FIFO of 16 is empty,
// or holds nothing but the first half of a fused pair; all it can take are then one batch, asked for in reads that end at
// the ring's end, at 4 KiB and at `fetch_most`, one read a cycle, round robin over functions, then queues. A read is
// offered two cycles after the doorbell.
//
// What a row counts stands in memories with one writer each; a row that was made anew has a bit for each of them that
// says so, and its counts read as 0. What the engines look for in all rows at once (who wants SQEs, what stands at the
// head of each FIFO) are bits, brought up to date for one row a cycle after something has come to it or was taken.

`resetall
`timescale 1ns / 1ps
`default_nettype none

module sq_table #(
    // Functions, and width of a function's number
    parameter FUNCTIONS = 7,
    parameter FUNCTION_WIDTH = 3,
    // Queues of a function, the admin queue included, and width of a queue's number
    parameter QUEUES = 5,
    parameter QUEUE_WIDTH = 3,
    // Logical block size, log2 of bytes
    parameter LBA_SHIFT = 12,
    // Width of a command's cost in bytes
    parameter COST_WIDTH = 19,
    // Width of a row's number (derived)
    parameter ROW_WIDTH = FUNCTION_WIDTH + QUEUE_WIDTH
) (
    input wire clk,
    input wire rst,

    // Functions that take new commands; functions that lose all of their queues
    input wire [FUNCTIONS-1:0] runs,
    input wire [FUNCTIONS-1:0] clear,

    // A tail doorbell, in this cycle
    input  wire                 tail_valid,
    input  wire [ROW_WIDTH-1:0] tail_row,
    input  wire [         31:0] tail_value,
    // It names no queue, or nothing that can be
    output wire                 tail_wrong_queue,
    output wire                 tail_wrong_value,

    // Makes a queue
    input  wire                   create_valid,
    input  wire [  ROW_WIDTH-1:0] create_row,
    input  wire [           63:0] create_address,
    input  wire [           15:0] create_last,
    input  wire [QUEUE_WIDTH-1:0] create_completion_queue,
    // Deletes one: first what has not been started is dropped, then the queue goes
    input  wire                   drop_valid,
    input  wire                   remove_valid,
    input  wire [  ROW_WIDTH-1:0] delete_row,
    output wire                   delete_empty,

    // A read of SQEs for the host of a function
    output wire                 fetch_valid,
    input  wire                 fetch_ready,
    output wire [ROW_WIDTH-1:0] fetch_row,
    output wire [          3:0] fetch_slot,
    output wire [         63:0] fetch_address,
    output wire [          4:0] fetch_count,
    input  wire [          4:0] fetch_most,
    // A queue wants SQEs
    output wire                 wanted,

    // A whole SQE has come into its slot; never in two cycles on end
    input wire                 here_valid,
    input wire [ROW_WIDTH-1:0] here_row,
    input wire [          3:0] here_slot,
    // Dword 0 of an SQE has come: its fuse field, and whether it moves data
    input wire                 fuse_valid,
    input wire [          3:0] fuse_slot,
    input wire [          1:0] fuse_value,
    input wire                 fuse_moves,
    // Dword 12 of an SQE has come: its number of blocks, less one
    input wire                 blocks_valid,
    input wire [          3:0] blocks_slot,
    input wire [         15:0] blocks_value,
    // A read of SQEs has ended
    input wire                 end_valid,
    input wire [ROW_WIDTH-1:0] end_row,

    // Head of each FIFO, by row: something is there; can go; is a pair; is half a pair without the other
    output wire [(1<<ROW_WIDTH)-1:0] head_there,
    output wire [(1<<ROW_WIDTH)-1:0] head_ready,
    output wire [(1<<ROW_WIDTH)-1:0] head_pair,
    output wire [(1<<ROW_WIDTH)-1:0] head_orphan,
    output wire [(1<<ROW_WIDTH)-1:0] live,
    // Bytes that the heads of a function's queues move, at least 64
    input wire [FUNCTION_WIDTH-1:0] cost_function,
    output wire [QUEUES*COST_WIDTH-1:0] costs,

    // Takes one SQE, or two, out of a FIFO; a command of the queue has ended
    input  wire                   pop_valid,
    input  wire                   pop_two,
    input  wire [  ROW_WIDTH-1:0] pop_row,
    output wire [            3:0] pop_slot,
    input  wire                   done_valid,
    input  wire [  ROW_WIDTH-1:0] done_row,
    // Completion queue of the row to take from
    output wire [QUEUE_WIDTH-1:0] pop_completion_queue,

    // Head pointer and completion queue of a row, for its CQE
    input  wire [  ROW_WIDTH-1:0] look_row,
    output wire [           15:0] look_head,
    output wire [QUEUE_WIDTH-1:0] look_completion_queue,

    // Whole SQEs in a row's FIFO, by slot
    input  wire [ROW_WIDTH-1:0] search_row,
    output wire [         15:0] search_there,

    // Completion queues of all rows, side by side
    output wire [(1<<ROW_WIDTH)*QUEUE_WIDTH-1:0] completion_queues
);

  localparam ROWS = 1 << ROW_WIDTH;
  localparam [1:0] FUSE_FIRST = 2'd1;
  localparam [1:0] FUSE_SECOND = 2'd2;
  // Blocks of the largest command, and what one that moves nothing costs
  localparam integer MOST_SHIFTED = 131072 >> LBA_SHIFT;
  localparam [16:0] MOST_BLOCKS = MOST_SHIFTED[16:0];
  localparam [COST_WIDTH-1:0] LEAST_COST = 64;

  // Of each row. SQEs have places, modulo 32; a place's slot is its low four bits.
  reg [63:0] address_memory[0:ROWS-1];
  reg [15:0] last_memory[0:ROWS-1];
  // By the tail doorbell
  reg [15:0] tail_memory[0:ROWS-1];
  // By the fetch engine: next slot of the ring, next place, reads asked for, left of the batch
  reg [30:0] fetch_memory[0:ROWS-1];
  // By the dispatcher: head, first place, commands taken
  reg [25:0] pop_memory[0:ROWS-1];
  // By what comes: reads that have ended; of each slot, a bit that turns with every SQE
  reg [4:0] ended_memory[0:ROWS-1];
  reg [15:0] arrived_memory[0:ROWS-1];
  // By the completion engine: commands that have ended
  reg [4:0] done_memory[0:ROWS-1];
  // Which of them hold nothing yet
  reg [ROWS-1:0] tail_new_reg, fetch_new_reg, pop_new_reg, ended_new_reg, arrived_new_reg, done_new_reg;
  // Of each slot
  reg [2:0] fuse_memory[0:(ROWS<<4)-1];
  reg [8:0] blocks_memory[0:(ROWS<<4)-1];
  // Costs of a function's heads
  reg [QUEUES*COST_WIDTH-1:0] cost_memory[0:(1<<FUNCTION_WIDTH)-1];
  reg [ROWS*QUEUE_WIDTH-1:0] completion_queues_reg;
  reg [ROWS-1:0] live_reg, live_next, deleting_reg;
  // SQEs in the ring that were not asked for; the FIFO asks for more; a batch has begun
  reg [ROWS-1:0] pending_reg, hungry_reg, batching_reg;
  // Heads
  reg [ROWS-1:0] there_reg, ready_reg, pair_reg, orphan_reg;

  // Slots from one to the other, going around
  function [15:0] distance(input [15:0] from, input [15:0] to, input [15:0] last);
    distance = to >= from ? to - from : to - from + last + 16'd1;
  endfunction

  // Rows of functions
  reg [ROWS-1:0] run_rows, clear_rows;
  integer f;
  always @* begin
    run_rows   = {ROWS{1'b0}};
    clear_rows = {ROWS{1'b0}};
    for (f = 0; f < FUNCTIONS; f = f + 1) begin
      run_rows[(f<<QUEUE_WIDTH)+:(1<<QUEUE_WIDTH)]   = {(1 << QUEUE_WIDTH) {runs[f]}};
      clear_rows[(f<<QUEUE_WIDTH)+:(1<<QUEUE_WIDTH)] = {(1 << QUEUE_WIDTH) {clear[f]}};
    end
  end

  // Tail doorbell
  wire [25:0] tail_pop = pop_new_reg[tail_row] ? 26'd0 : pop_memory[tail_row];
  wire [15:0] tail_head = tail_pop[15:0];
  wire [15:0] tail_now = tail_new_reg[tail_row] ? 16'd0 : tail_memory[tail_row];
  wire [15:0] tail_last = last_memory[tail_row];
  wire tail_live = live_reg[tail_row] && !deleting_reg[tail_row];
  wire [15:0] tail_before = distance(tail_head, tail_now, tail_last);
  wire [15:0] tail_after = distance(tail_head, tail_value[15:0], tail_last);
  wire tail_in_ring = tail_value[31:16] == 16'd0 && tail_value[15:0] <= tail_last;
  wire tail_good = tail_valid && tail_live && tail_in_ring && tail_after > tail_before;
  assign tail_wrong_queue = tail_valid && !tail_live;
  assign tail_wrong_value = tail_valid && tail_live && !tail_good;

  // Who wants SQEs: round robin over functions, then queues; a batch is asked for as a whole
  wire [ROWS-1:0] wants = live_reg & ~deleting_reg & run_rows & (batching_reg | (pending_reg & hungry_reg));
  reg [FUNCTIONS-1:0] function_wants;
  always @* for (f = 0; f < FUNCTIONS; f = f + 1) function_wants[f] = |wants[(f<<QUEUE_WIDTH)+:(1<<QUEUE_WIDTH)];

  reg [FUNCTION_WIDTH-1:0] from_function_reg;
  reg [QUEUE_WIDTH-1:0] from_queue_reg[0:FUNCTIONS-1];
  wire [FUNCTION_WIDTH-1:0] chosen_function;
  wire [QUEUE_WIDTH-1:0] chosen_queue;
  wire any_wants, queue_valid;

  round_robin #(
      .COUNT(FUNCTIONS),
      .WIDTH(FUNCTION_WIDTH)
  ) function_turn (
      .request(function_wants),
      .from(from_function_reg),
      .chosen(chosen_function),
      .valid(any_wants)
  );

  wire [(1<<QUEUE_WIDTH)-1:0] queue_wants = wants[{chosen_function, {QUEUE_WIDTH{1'b0}}}+:(1<<QUEUE_WIDTH)];
  round_robin #(
      .COUNT(1 << QUEUE_WIDTH),
      .WIDTH(QUEUE_WIDTH)
  ) queue_turn (
      .request(queue_wants),
      .from(from_queue_reg[chosen_function]),
      .chosen(chosen_queue),
      .valid(queue_valid)
  );

  // Its next read
  wire [ROW_WIDTH-1:0] row = {chosen_function, chosen_queue};
  wire [30:0] row_fetch = fetch_new_reg[row] ? 31'd0 : fetch_memory[row];
  wire [15:0] row_next = row_fetch[15:0];
  wire [4:0] row_place = row_fetch[20:16];
  wire [4:0] row_reads = row_fetch[25:21];
  wire [4:0] row_batch = row_fetch[30:26];
  wire [25:0] row_pop = pop_new_reg[row] ? 26'd0 : pop_memory[row];
  wire [15:0] row_last = last_memory[row];
  wire [15:0] row_tail = tail_new_reg[row] ? 16'd0 : tail_memory[row];
  wire [15:0] unfetched = distance(row_next, row_tail, row_last);
  wire [4:0] room = 5'd16 - (row_place - row_pop[20:16]);
  wire [4:0] new_batch = unfetched < {11'd0, room} ? unfetched[4:0] : room;
  wire [4:0] batch = batching_reg[row] ? row_batch : new_batch;
  wire [63:0] address = address_memory[row] + {42'd0, row_next, 6'd0};
  wire [6:0] page_left = 7'd64 - {1'b0, address[11:6]};
  wire [15:0] ring_left = row_last - row_next + 16'd1;

  wire [4:0] count_mrrs = batch < fetch_most ? batch : fetch_most;
  wire [4:0] count_page = {2'd0, count_mrrs} < page_left ? count_mrrs : page_left[4:0];
  wire [4:0] count = {11'd0, count_page} < ring_left ? count_page : ring_left[4:0];
  wire [15:0] next_sum = row_next + {11'd0, count};
  wire [15:0] next = next_sum > row_last ? next_sum - row_last - 16'd1 : next_sum;

  // The read that is offered
  reg request_reg;
  reg [ROW_WIDTH-1:0] request_row_reg;
  reg [3:0] request_slot_reg;
  reg [63:0] request_address_reg;
  reg [4:0] request_count_reg;
  assign fetch_valid = request_reg;
  assign fetch_row = request_row_reg;
  assign fetch_slot = request_slot_reg;
  assign fetch_address = request_address_reg;
  assign fetch_count = request_count_reg;
  assign wanted = any_wants || request_reg;
  wire asks = any_wants && queue_valid && (!request_reg || fetch_ready);

  // Taking
  wire [25:0] popped = pop_new_reg[pop_row] ? 26'd0 : pop_memory[pop_row];
  wire [15:0] pop_last = last_memory[pop_row];
  wire [15:0] head_one = popped[15:0] == pop_last ? 16'd0 : popped[15:0] + 16'd1;
  wire [15:0] head_two = head_one == pop_last ? 16'd0 : head_one + 16'd1;
  assign pop_slot = popped[19:16];
  assign pop_completion_queue = completion_queues_reg[pop_row*QUEUE_WIDTH+:QUEUE_WIDTH];
  wire [25:0] looked_at = pop_new_reg[look_row] ? 26'd0 : pop_memory[look_row];
  assign look_head = looked_at[15:0];
  assign look_completion_queue = completion_queues_reg[look_row*QUEUE_WIDTH+:QUEUE_WIDTH];
  assign completion_queues = completion_queues_reg;

  // Searching: a slot before the first place belongs to the next round.
  wire [25:0] searched = pop_new_reg[search_row] ? 26'd0 : pop_memory[search_row];
  wire [15:0] search_arrived = arrived_new_reg[search_row] ? 16'd0 : arrived_memory[search_row];
  wire [15:0] this_round = 16'hffff << searched[19:16];
  assign search_there = search_arrived ^ (searched[20] ? this_round : ~this_round);

  // Deleting
  wire [30:0] delete_fetch = fetch_new_reg[delete_row] ? 31'd0 : fetch_memory[delete_row];
  wire [25:0] delete_pop = pop_new_reg[delete_row] ? 26'd0 : pop_memory[delete_row];
  wire [ 4:0] delete_ended = ended_new_reg[delete_row] ? 5'd0 : ended_memory[delete_row];
  wire [ 4:0] delete_done = done_new_reg[delete_row] ? 5'd0 : done_memory[delete_row];
  assign delete_empty = delete_fetch[25:21] == delete_ended && delete_pop[25:21] == delete_done;

  // The row whose bits are brought up to date: the one taken from before, or one to which an SQE has come
  reg popped_reg, here_reg;
  reg [ROW_WIDTH-1:0] popped_row_reg, here_row_reg;
  wire refresh = popped_reg || here_reg;
  wire [ROW_WIDTH-1:0] fresh_row = popped_reg ? popped_row_reg : here_row_reg;
  wire [30:0] fresh_fetch = fetch_new_reg[fresh_row] ? 31'd0 : fetch_memory[fresh_row];
  wire [25:0] fresh_pop = pop_new_reg[fresh_row] ? 26'd0 : pop_memory[fresh_row];
  wire [15:0] fresh_arrived = arrived_new_reg[fresh_row] ? 16'd0 : arrived_memory[fresh_row];
  wire [4:0] place = fresh_pop[20:16];
  wire [4:0] place_behind = place + 5'd1;
  wire [4:0] fresh_used = fresh_fetch[20:16] - place;
  wire there = fresh_arrived[place[3:0]] != place[4];
  wire behind_there = fresh_arrived[place_behind[3:0]] != place_behind[4];
  // Admin commands have no fuse field.
  wire fresh_admin = fresh_row[QUEUE_WIDTH-1:0] == {QUEUE_WIDTH{1'b0}};
  wire [2:0] first_fuse = fuse_memory[{fresh_row, place[3:0]}];
  wire [2:0] behind_fuse = fuse_memory[{fresh_row, place_behind[3:0]}];
  wire [1:0] fuse = fresh_admin ? 2'd0 : first_fuse[1:0];
  wire is_first = there && fuse == FUSE_FIRST;
  wire is_pair = is_first && behind_there && behind_fuse[1:0] == FUSE_SECOND;
  wire [COST_WIDTH-1:0] bytes = {{(COST_WIDTH - 9) {1'b0}}, blocks_memory[{fresh_row, place[3:0]}]} << LBA_SHIFT;
  wire [COST_WIDTH-1:0] cost = first_fuse[2] ? bytes : LEAST_COST;
  wire [16:0] block_count = {1'b0, blocks_value} + 17'd1;
  assign costs = cost_memory[cost_function];

  assign live = live_reg & ~deleting_reg;
  assign head_there = there_reg & live;
  assign head_ready = ready_reg & live;
  assign head_pair = pair_reg;
  assign head_orphan = orphan_reg;

  wire [ 4:0] ended_now = ended_new_reg[end_row] ? 5'd0 : ended_memory[end_row];
  wire [ 4:0] done_now = done_new_reg[done_row] ? 5'd0 : done_memory[done_row];
  wire [15:0] arrived_now = arrived_new_reg[here_row] ? 16'd0 : arrived_memory[here_row];

  always @* begin
    live_next = live_reg;
    if (create_valid) live_next[create_row] = 1'b1;
    if (remove_valid) live_next[delete_row] = 1'b0;
    live_next = live_next & ~clear_rows;
  end

  integer q;
  always @(posedge clk) begin
    live_reg <= live_next;
    popped_reg <= pop_valid;
    popped_row_reg <= pop_row;
    if (here_valid) begin
      here_reg <= 1'b1;
      here_row_reg <= here_row;
    end else if (!popped_reg) here_reg <= 1'b0;

    if (refresh) begin
      there_reg[fresh_row]  <= there;
      ready_reg[fresh_row]  <= there && (!is_first || behind_there);
      pair_reg[fresh_row]   <= is_pair;
      orphan_reg[fresh_row] <= there && (fuse == FUSE_SECOND || (is_first && behind_there && !is_pair));
      hungry_reg[fresh_row] <= fresh_used == 5'd0 || (fresh_used == 5'd1 && is_first);
      for (q = 0; q < QUEUES; q = q + 1)
      if (fresh_row[QUEUE_WIDTH-1:0] == q[QUEUE_WIDTH-1:0])
        cost_memory[fresh_row[ROW_WIDTH-1:QUEUE_WIDTH]][q*COST_WIDTH+:COST_WIDTH] <= is_pair ? cost << 1 : cost;
    end

    if (!request_reg || fetch_ready) begin
      request_reg <= asks;
      request_row_reg <= row;
      request_slot_reg <= row_place[3:0];
      request_address_reg <= address;
      request_count_reg <= count;
    end
    // What a function's queues wanted goes with them.
    if (clear[asks?chosen_function : request_row_reg[ROW_WIDTH-1:QUEUE_WIDTH]]) request_reg <= 1'b0;
    if (asks) begin
      fetch_memory[row] <= {batch - count, row_reads + 5'd1, row_place + count, next};
      fetch_new_reg[row] <= 1'b0;
      pending_reg[row] <= next != row_tail;
      hungry_reg[row] <= 1'b0;
      batching_reg[row] <= batch != count;
      if (batch == count) begin
        from_queue_reg[chosen_function] <= chosen_queue + 1'b1;
        from_function_reg <= chosen_function == FUNCTIONS[FUNCTION_WIDTH-1:0] - 1'b1 ? {FUNCTION_WIDTH{1'b0}} :
            chosen_function + 1'b1;
      end else begin
        from_queue_reg[chosen_function] <= chosen_queue;
        from_function_reg <= chosen_function;
      end
    end

    if (tail_good) begin
      tail_memory[tail_row]  <= tail_value[15:0];
      tail_new_reg[tail_row] <= 1'b0;
      pending_reg[tail_row]  <= 1'b1;
    end

    if (here_valid) begin
      arrived_memory[here_row]  <= arrived_now ^ (16'd1 << here_slot);
      arrived_new_reg[here_row] <= 1'b0;
    end
    if (fuse_valid) fuse_memory[{here_row, fuse_slot}] <= {fuse_moves, fuse_value};
    if (blocks_valid)
      blocks_memory[{here_row, blocks_slot}] <= block_count > MOST_BLOCKS ? MOST_BLOCKS[8:0] : block_count[8:0];
    if (end_valid) begin
      ended_memory[end_row]  <= ended_now + 5'd1;
      ended_new_reg[end_row] <= 1'b0;
    end
    if (done_valid) begin
      done_memory[done_row]  <= done_now + 5'd1;
      done_new_reg[done_row] <= 1'b0;
    end
    if (pop_valid) begin
      pop_memory[pop_row] <= {
        popped[25:21] + 5'd1, popped[20:16] + (pop_two ? 5'd2 : 5'd1), pop_two ? head_two : head_one
      };
      pop_new_reg[pop_row] <= 1'b0;
    end

    if (create_valid) begin
      deleting_reg[create_row] <= 1'b0;
      address_memory[create_row] <= create_address;
      last_memory[create_row] <= create_last;
      completion_queues_reg[create_row*QUEUE_WIDTH+:QUEUE_WIDTH] <= create_completion_queue;
      tail_new_reg[create_row] <= 1'b1;
      fetch_new_reg[create_row] <= 1'b1;
      pop_new_reg[create_row] <= 1'b1;
      ended_new_reg[create_row] <= 1'b1;
      arrived_new_reg[create_row] <= 1'b1;
      done_new_reg[create_row] <= 1'b1;
      pending_reg[create_row] <= 1'b0;
      hungry_reg[create_row] <= 1'b1;
      batching_reg[create_row] <= 1'b0;
      there_reg[create_row] <= 1'b0;
      ready_reg[create_row] <= 1'b0;
    end
    if (drop_valid) deleting_reg[delete_row] <= 1'b1;

    if (rst) begin
      live_reg <= {ROWS{1'b0}};
      request_reg <= 1'b0;
      popped_reg <= 1'b0;
      here_reg <= 1'b0;
      from_function_reg <= {FUNCTION_WIDTH{1'b0}};
      for (q = 0; q < FUNCTIONS; q = q + 1) from_queue_reg[q] <= {QUEUE_WIDTH{1'b0}};
    end
  end

  generate
    if (QUEUES < 2 || QUEUES > 17) begin : gen_queues_check
      QUEUES_must_be_2_to_17 check ();
    end
  endgenerate

endmodule

`resetall
