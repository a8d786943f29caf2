// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// dispatcher: takes commands out of the SQE FIFOs and gives each a context and its CQ slots, all or nothing.
//
// One command (a fused pair is one) every four cycles: round robin over functions; of a function the admin queue first,
// then its I/O queues in turns by bytes. A context is {function, number}; number 16 is the one of the admin queue. A
// choice takes three cycles: which functions could go, and whose turn it is; which of its queues; then the command is
// taken, if nothing has come between (a reset, a CQ slot that an event has taken).

`resetall
`timescale 1ns / 1ps
`default_nettype none

module dispatcher #(
    // Functions, and width of a function's number
    parameter FUNCTIONS = 7,
    parameter FUNCTION_WIDTH = 3,
    // Queues of a function, the admin queue included, and width of a queue's number
    parameter QUEUES = 5,
    parameter QUEUE_WIDTH = 3,
    // Width of a command's cost in bytes
    parameter COST_WIDTH = 19,
    // Widths of a row's and of a context's number (derived)
    parameter ROW_WIDTH = FUNCTION_WIDTH + QUEUE_WIDTH,
    parameter CONTEXT_WIDTH = FUNCTION_WIDTH + 5
) (
    input wire clk,
    input wire rst,

    input wire [FUNCTIONS-1:0] runs,

    // Heads of the FIFOs, and room of the completion queues
    input wire [(1<<ROW_WIDTH)-1:0] head_there,
    input wire [(1<<ROW_WIDTH)-1:0] head_ready,
    input wire [(1<<ROW_WIDTH)-1:0] head_pair,
    input wire [(1<<ROW_WIDTH)-1:0] head_orphan,
    input wire [(1<<ROW_WIDTH)*QUEUE_WIDTH-1:0] completion_queues,
    input wire [(1<<ROW_WIDTH)-1:0] room_one,
    input wire [(1<<ROW_WIDTH)-1:0] room_two,
    // What the heads of a function's queues move
    output wire [FUNCTION_WIDTH-1:0] cost_function,
    input wire [QUEUES*COST_WIDTH-1:0] costs,

    // Takes from a FIFO and reserves CQ slots
    output wire                   pop_valid,
    output wire                   pop_two,
    output wire [  ROW_WIDTH-1:0] pop_row,
    input  wire [            3:0] pop_slot,
    input  wire [QUEUE_WIDTH-1:0] pop_completion_queue,
    output wire [  ROW_WIDTH-1:0] reserve_row,
    output wire [  ROW_WIDTH+3:0] entry_place,

    // In the cycle after: its (first) SQE stands at the memory; a cycle later the second of a pair
    output reg                     start_valid,
    output reg                     start_pair,
    output reg                     start_orphan,
    output reg [    ROW_WIDTH-1:0] start_row,
    output reg [CONTEXT_WIDTH-1:0] start_context,

    // A context is free again
    input  wire                     free_valid,
    input  wire [CONTEXT_WIDTH-1:0] free_context,
    // Functions without any command under way
    output reg  [    FUNCTIONS-1:0] idle,
    // A command can be taken, or is being taken
    output wire                     busy
);

  localparam ROWS = 1 << ROW_WIDTH;
  localparam STRIDE = 1 << QUEUE_WIDTH;
  // Of 128 KiB commands, as many as there are visits in a turn
  localparam DEFICIT_WIDTH = 32;
  localparam QUANTUM_SHIFT = 12;
  // A choice begins this many cycles behind the one before: then all that it has changed is known.
  localparam [1:0] PAUSE_CYCLES = 2'd3;

  reg [16:0] used_reg[0:FUNCTIONS-1];
  reg [1:0] pause_reg;
  reg [FUNCTION_WIDTH-1:0] from_function_reg;
  reg [ROW_WIDTH+3:0] second_place_reg;

  // First cycle: which rows could go, and the function whose turn it is
  reg [ROWS-1:0] may_go;
  reg [FUNCTIONS-1:0] function_may_go;
  reg [ROW_WIDTH-1:0] completion_row;
  integer f, q;
  always @* begin
    may_go = {ROWS{1'b0}};
    function_may_go = {FUNCTIONS{1'b0}};
    completion_row = {ROW_WIDTH{1'b0}};
    for (f = 0; f < FUNCTIONS; f = f + 1) begin
      idle[f] = used_reg[f] == 17'd0;
      if (runs[f] && |head_ready[f*STRIDE+:STRIDE]) begin
        for (q = 0; q < QUEUES; q = q + 1) begin
          completion_row = {f[FUNCTION_WIDTH-1:0], completion_queues[(f*STRIDE+q)*QUEUE_WIDTH+:QUEUE_WIDTH]};
          may_go[f*STRIDE+q] = head_ready[f*STRIDE+q] &&
              (head_pair[f*STRIDE+q] ? room_two[completion_row] : room_one[completion_row]) &&
              (q == 0 ? !used_reg[f][16] : !(&used_reg[f][15:0]));
        end
        function_may_go[f] = |may_go[f*STRIDE+:STRIDE];
      end
    end
  end

  wire [FUNCTION_WIDTH-1:0] turn_function;
  wire any;
  round_robin #(
      .COUNT(FUNCTIONS),
      .WIDTH(FUNCTION_WIDTH)
  ) function_turn (
      .request(function_may_go),
      .from(from_function_reg),
      .chosen(turn_function),
      .valid(any)
  );
  wire begins = any && pause_reg == 2'd0;
  assign cost_function = turn_function;
  assign busy = any || pause_reg != 2'd0;

  // Second cycle: which of its queues, by the bytes of the commands at their heads
  reg turn_reg;
  reg [FUNCTION_WIDTH-1:0] function_reg;
  reg [QUEUES-1:0] allowed_reg;
  reg [QUEUES*COST_WIDTH-1:0] costs_reg;
  wire [QUEUE_WIDTH-1:0] turn_queue;
  wire turn_any;
  reg [FUNCTIONS*QUEUES-1:0] active;
  always @* for (f = 0; f < FUNCTIONS; f = f + 1) active[f*QUEUES+:QUEUES] = head_there[f*STRIDE+:QUEUES];
  wire by_bytes = turn_reg && !allowed_reg[0];
  drr_arbiter #(
      .ARBITERS(FUNCTIONS),
      .ARBITER_WIDTH(FUNCTION_WIDTH),
      .ROWS(QUEUES),
      .ROW_WIDTH(QUEUE_WIDTH),
      .COST_WIDTH(COST_WIDTH),
      .DEFICIT_WIDTH(DEFICIT_WIDTH),
      .QUANTUM_SHIFT(QUANTUM_SHIFT)
  ) queue_turns (
      .clk(clk),
      .rst(rst),
      .active(active),
      .arbiter(function_reg),
      .allowed(allowed_reg),
      .costs(costs_reg),
      .chosen_valid(turn_any),
      .chosen(turn_queue),
      .select(by_bytes),
      .charge(by_bytes)
  );

  wire [15:0] used = used_reg[function_reg][15:0];
  wire [ 3:0] free_number;
  lowest_bit #(
      .COUNT(16),
      .WIDTH(4)
  ) free_contexts (
      .bits  (~used),
      .number(free_number)
  );

  // Third cycle: the command is taken
  reg take_reg;
  reg [ROW_WIDTH-1:0] row_reg;
  reg [4:0] number_reg;
  wire [FUNCTION_WIDTH-1:0] chosen_function = row_reg[ROW_WIDTH-1:QUEUE_WIDTH];
  wire [ROW_WIDTH-1:0] slots_row = {chosen_function, pop_completion_queue};
  wire has_room = head_pair[row_reg] ? room_two[slots_row] : room_one[slots_row];
  assign pop_valid = take_reg && head_ready[row_reg] && has_room && runs[chosen_function];
  assign pop_row = row_reg;
  assign pop_two = head_pair[row_reg];
  assign reserve_row = slots_row;
  wire [3:0] second_slot = pop_slot + 4'd1;
  assign entry_place = start_valid ? second_place_reg : {row_reg, pop_slot};

  always @(posedge clk) begin
    turn_reg <= begins;
    if (begins) begin
      function_reg <= turn_function;
      allowed_reg <= may_go[turn_function*STRIDE+:QUEUES];
      costs_reg <= costs;
      pause_reg <= PAUSE_CYCLES;
    end else if (pause_reg != 2'd0) pause_reg <= pause_reg - 2'd1;

    take_reg <= turn_reg && (allowed_reg[0] || turn_any);
    if (turn_reg) begin
      row_reg <= {function_reg, allowed_reg[0] ? {QUEUE_WIDTH{1'b0}} : turn_queue};
      number_reg <= allowed_reg[0] ? 5'd16 : {1'b0, free_number};
    end

    start_valid <= pop_valid;
    if (take_reg) begin
      start_pair <= pop_two;
      start_orphan <= head_orphan[row_reg];
      start_row <= row_reg;
      start_context <= {chosen_function, number_reg};
      second_place_reg <= {row_reg, second_slot};
    end
    if (pop_valid) begin
      used_reg[chosen_function][number_reg] <= 1'b1;
      from_function_reg <= chosen_function == FUNCTIONS[FUNCTION_WIDTH-1:0] - 1'b1 ? {FUNCTION_WIDTH{1'b0}} :
          chosen_function + 1'b1;
    end
    if (free_valid) used_reg[free_context[CONTEXT_WIDTH-1:5]][free_context[4:0]] <= 1'b0;

    if (rst) begin
      turn_reg <= 1'b0;
      take_reg <= 1'b0;
      start_valid <= 1'b0;
      pause_reg <= 2'd0;
      from_function_reg <= {FUNCTION_WIDTH{1'b0}};
      for (f = 0; f < FUNCTIONS; f = f + 1) used_reg[f] <= 17'd0;
    end
  end

endmodule

`resetall
