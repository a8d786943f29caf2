// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// dispatcher: takes commands out of the SQE FIFOs and gives each a context and its CQ slots, all or nothing.
//
// One command (a fused pair is one) every four cycles: round robin over functions; of a function the admin queue first,
// then its I/O queues in turn. A context is {function, number}; number 16 is the one of the admin queue.

`resetall
`timescale 1ns / 1ps
`default_nettype none

module dispatcher #(
    // Functions, and width of a function's number
    parameter FUNCTIONS = 7,
    parameter FUNCTION_WIDTH = 3,
    // Width of a queue's number
    parameter QUEUE_WIDTH = 3,
    // Widths of a row's and of a context's number (derived)
    parameter ROW_WIDTH = FUNCTION_WIDTH + QUEUE_WIDTH,
    parameter CONTEXT_WIDTH = FUNCTION_WIDTH + 5
) (
    input wire clk,
    input wire rst,

    input wire [FUNCTIONS-1:0] runs,

    // Heads of the FIFOs, and room of the completion queues
    input wire [(1<<ROW_WIDTH)-1:0] head_ready,
    input wire [(1<<ROW_WIDTH)-1:0] head_pair,
    input wire [(1<<ROW_WIDTH)-1:0] head_orphan,
    input wire [(1<<ROW_WIDTH)*QUEUE_WIDTH-1:0] completion_queues,
    input wire [(1<<ROW_WIDTH)-1:0] room_one,
    input wire [(1<<ROW_WIDTH)-1:0] room_two,

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
    output reg  [    FUNCTIONS-1:0] idle
);

  localparam QUEUES = 1 << QUEUE_WIDTH;
  localparam ROWS = 1 << ROW_WIDTH;
  // Commands start this many cycles apart.
  localparam [1:0] PAUSE_CYCLES = 2'd3;

  reg [16:0] used_reg[0:FUNCTIONS-1];
  reg [1:0] pause_reg;
  reg [FUNCTION_WIDTH-1:0] from_function_reg;
  reg [QUEUE_WIDTH-1:0] from_queue_reg[0:FUNCTIONS-1];
  reg [ROW_WIDTH+3:0] second_place_reg;

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
      for (q = 0; q < QUEUES; q = q + 1) begin
        completion_row = {f[FUNCTION_WIDTH-1:0], completion_queues[((f<<QUEUE_WIDTH)+q)*QUEUE_WIDTH+:QUEUE_WIDTH]};
        may_go[(f<<QUEUE_WIDTH)+q] = runs[f] && head_ready[(f<<QUEUE_WIDTH)+q] &&
            (head_pair[(f<<QUEUE_WIDTH)+q] ? room_two[completion_row] : room_one[completion_row]) &&
            (q == 0 ? !used_reg[f][16] : !(&used_reg[f][15:0]));
        if (may_go[(f<<QUEUE_WIDTH)+q]) function_may_go[f] = 1'b1;
      end
    end
  end

  wire [FUNCTION_WIDTH-1:0] chosen_function;
  wire [QUEUE_WIDTH-1:0] turn_queue;
  wire any, any_queue;
  round_robin #(
      .COUNT(FUNCTIONS),
      .WIDTH(FUNCTION_WIDTH)
  ) function_turn (
      .request(function_may_go),
      .from(from_function_reg),
      .chosen(chosen_function),
      .valid(any)
  );
  wire [QUEUES-1:0] queues_may_go = may_go[{chosen_function, {QUEUE_WIDTH{1'b0}}}+:QUEUES];
  round_robin #(
      .COUNT(QUEUES),
      .WIDTH(QUEUE_WIDTH)
  ) queue_choice (
      .request(queues_may_go),
      .from(queues_may_go[0] ? {QUEUE_WIDTH{1'b0}} : from_queue_reg[chosen_function]),
      .chosen(turn_queue),
      .valid(any_queue)
  );

  wire [15:0] used = used_reg[chosen_function][15:0];
  integer c;
  reg [3:0] free_number;
  always @* begin
    free_number = 4'd0;
    for (c = 15; c >= 0; c = c - 1) if (!used[c]) free_number = c[3:0];
  end
  wire is_admin = turn_queue == {QUEUE_WIDTH{1'b0}};
  wire [4:0] number = is_admin ? 5'd16 : {1'b0, free_number};

  assign pop_valid = any && any_queue && pause_reg == 2'd0;
  assign pop_row = {chosen_function, turn_queue};
  assign pop_two = head_pair[pop_row];
  assign reserve_row = {chosen_function, pop_completion_queue};
  wire [3:0] second_slot = pop_slot + 4'd1;
  assign entry_place = start_valid ? second_place_reg : {pop_row, pop_slot};

  always @(posedge clk) begin
    start_valid <= pop_valid;
    start_pair <= pop_two;
    start_orphan <= head_orphan[pop_row];
    start_row <= pop_row;
    start_context <= {chosen_function, number};
    second_place_reg <= {pop_row, second_slot};
    if (pause_reg != 2'd0) pause_reg <= pause_reg - 2'd1;
    if (pop_valid) begin
      pause_reg <= PAUSE_CYCLES;
      used_reg[chosen_function][number] <= 1'b1;
      from_function_reg <= chosen_function == FUNCTIONS[FUNCTION_WIDTH-1:0] - 1'b1 ? {FUNCTION_WIDTH{1'b0}} :
          chosen_function + 1'b1;
      if (!is_admin) from_queue_reg[chosen_function] <= turn_queue + 1'b1;
    end
    if (free_valid) used_reg[free_context[CONTEXT_WIDTH-1:5]][free_context[4:0]] <= 1'b0;
    if (rst) begin
      start_valid <= 1'b0;
      pause_reg <= 2'd0;
      from_function_reg <= {FUNCTION_WIDTH{1'b0}};
      for (f = 0; f < FUNCTIONS; f = f + 1) begin
        used_reg[f] <= 17'd0;
        from_queue_reg[f] <= {QUEUE_WIDTH{1'b0}};
      end
    end
  end

endmodule

`resetall
