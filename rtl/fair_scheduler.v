// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// fair_scheduler: two levels of deficit round robin, functions and then a function's queues, one choice a cycle.
//
// For the data movers, which move at most a quantum at a time: so one visit always covers the cost, and a choice looks
// at two functions, the one that has the turn and the next with work. A choice is made from the costs at the inputs in
// the same cycle and stands until it is charged. Queues and functions that have no work for a cycle lose what they have
// saved.

`resetall
`timescale 1ns / 1ps
`default_nettype none

module fair_scheduler #(
    // Functions, and width of a function's number in bits
    parameter FUNCTIONS = 7,
    parameter FUNCTION_WIDTH = 3,
    // Queues of each function, and width of a queue's number in bits
    parameter QUEUES = 5,
    parameter QUEUE_WIDTH = 3,
    // Log2 of the quantum in bytes; costs have one bit more and are at most the quantum
    parameter QUANTUM_SHIFT = 12,
    // Width of a cost in bits (derived)
    parameter COST_WIDTH = QUANTUM_SHIFT + 1
) (
    input wire clk,
    input wire rst,

    // Queues with work, QUEUES bits a function, and what their next pieces take in bytes
    input wire [           FUNCTIONS*QUEUES-1:0] active,
    input wire [FUNCTIONS*QUEUES*COST_WIDTH-1:0] costs,

    // Whose turn it is
    output wire                      chosen_valid,
    output wire [FUNCTION_WIDTH-1:0] chosen_function,
    output wire [   QUEUE_WIDTH-1:0] chosen_queue,
    output wire [    COST_WIDTH-1:0] chosen_bytes,

    // The choice is made
    input wire select,
    // And the chosen queue moves its piece: only together with select, may depend on the choice
    input wire charge
);

  // A turn is lost with less than a piece's cost left, so a deficit is always less than two quanta.
  localparam DEFICIT_WIDTH = COST_WIDTH + 1;
  localparam STATE_WIDTH = QUEUES * DEFICIT_WIDTH;
  localparam [DEFICIT_WIDTH-1:0] QUANTUM = 1 << QUANTUM_SHIFT;

  reg [STATE_WIDTH-1:0] queue_deficits_reg[0:FUNCTIONS-1];
  reg [QUEUE_WIDTH-1:0] queue_current_reg [0:FUNCTIONS-1];
  reg [FUNCTIONS*QUEUES-1:0] queue_kept_reg, queue_kept_next;
  reg [DEFICIT_WIDTH-1:0] function_deficit_reg[0:FUNCTIONS-1];
  reg [FUNCTIONS-1:0] function_kept_reg, function_kept_next;
  reg [FUNCTION_WIDTH-1:0] current_reg;

  // Functions with work, and the next of them after the current one, around
  reg [FUNCTIONS-1:0] working;
  wire [FUNCTIONS-1:0] current_bit = {{FUNCTIONS - 1{1'b0}}, 1'b1} << current_reg;
  wire [FUNCTIONS-1:0] later = working & ~(current_bit | (current_bit - 1'b1));
  wire [FUNCTIONS-1:0] candidates = |later ? later : working;
  reg [FUNCTION_WIDTH-1:0] next;
  integer f;
  always @* begin
    next = {FUNCTION_WIDTH{1'b0}};
    for (f = FUNCTIONS - 1; f >= 0; f = f - 1) begin
      working[f] = |active[f*QUEUES+:QUEUES];
      if (candidates[f]) next = f[FUNCTION_WIDTH-1:0];
    end
  end

  // The queues' choices in both functions
  wire [1:0] queue_valid;
  wire [2*FUNCTION_WIDTH-1:0] looked_at = {next, current_reg};
  wire [2*QUEUE_WIDTH-1:0] queue;
  wire [2*COST_WIDTH-1:0] bytes;
  wire [2*STATE_WIDTH-1:0] visited;
  genvar side;
  generate
    for (side = 0; side < 2; side = side + 1) begin : gen_side
      wire [FUNCTION_WIDTH-1:0] number = looked_at[side*FUNCTION_WIDTH+:FUNCTION_WIDTH];
      wire [QUEUES-1:0] kept = queue_kept_reg[number*QUEUES+:QUEUES];
      wire [STATE_WIDTH-1:0] stored = queue_deficits_reg[number];
      wire [STATE_WIDTH-1:0] deficits;
      wire [QUEUES*COST_WIDTH-1:0] queue_costs = costs[number*QUEUES*COST_WIDTH+:QUEUES*COST_WIDTH];
      genvar q;
      for (q = 0; q < QUEUES; q = q + 1) begin : gen_deficit
        assign deficits[q*DEFICIT_WIDTH+:DEFICIT_WIDTH] =
            stored[q*DEFICIT_WIDTH+:DEFICIT_WIDTH] & {DEFICIT_WIDTH{kept[q]}};
      end
      drr_select #(
          .ROWS(QUEUES),
          .ROW_WIDTH(QUEUE_WIDTH),
          .COST_WIDTH(COST_WIDTH),
          .DEFICIT_WIDTH(DEFICIT_WIDTH),
          .QUANTUM_SHIFT(QUANTUM_SHIFT)
      ) queue_choice (
          .eligible(active[number*QUEUES+:QUEUES]),
          .current(queue_current_reg[number]),
          .costs(queue_costs),
          .deficits(deficits),
          .chosen_valid(queue_valid[side]),
          .chosen(queue[side*QUEUE_WIDTH+:QUEUE_WIDTH]),
          .visited_deficits(visited[side*STATE_WIDTH+:STATE_WIDTH])
      );
      assign bytes[side*COST_WIDTH+:COST_WIDTH] = queue_costs[queue[side*QUEUE_WIDTH+:QUEUE_WIDTH]*COST_WIDTH+:COST_WIDTH];
    end
  endgenerate

  // The current function keeps its turn while its deficit covers its piece.
  wire [DEFICIT_WIDTH-1:0] current_deficit =
      function_deficit_reg[current_reg] & {DEFICIT_WIDTH{function_kept_reg[current_reg]}};
  wire [DEFICIT_WIDTH-1:0] next_deficit = function_deficit_reg[next] & {DEFICIT_WIDTH{function_kept_reg[next]}};
  wire [DEFICIT_WIDTH:0] next_sum = {1'b0, next_deficit} + {1'b0, QUANTUM};
  wire [DEFICIT_WIDTH-1:0] next_visited = next_sum[DEFICIT_WIDTH] ? {DEFICIT_WIDTH{1'b1}} : next_sum[DEFICIT_WIDTH-1:0];
  wire [DEFICIT_WIDTH-1:0] current_cost = {{DEFICIT_WIDTH - COST_WIDTH{1'b0}}, bytes[0+:COST_WIDTH]};
  wire keeps_turn = queue_valid[0] && current_deficit >= current_cost;

  assign chosen_valid = queue_valid[1];
  assign chosen_function = keeps_turn ? current_reg : next;
  assign chosen_queue = keeps_turn ? queue[0+:QUEUE_WIDTH] : queue[QUEUE_WIDTH+:QUEUE_WIDTH];
  assign chosen_bytes = keeps_turn ? bytes[0+:COST_WIDTH] : bytes[COST_WIDTH+:COST_WIDTH];

  wire takes = select && chosen_valid;
  wire [DEFICIT_WIDTH-1:0] charged = charge ? {{DEFICIT_WIDTH - COST_WIDTH{1'b0}}, chosen_bytes} : {DEFICIT_WIDTH{1'b0}};
  reg [STATE_WIDTH-1:0] chosen_deficits;
  integer k;
  always @* begin
    chosen_deficits = keeps_turn ? visited[0+:STATE_WIDTH] : visited[STATE_WIDTH+:STATE_WIDTH];
    chosen_deficits[chosen_queue*DEFICIT_WIDTH+:DEFICIT_WIDTH] =
        chosen_deficits[chosen_queue*DEFICIT_WIDTH+:DEFICIT_WIDTH] - charged;

    queue_kept_next = queue_kept_reg & active;
    function_kept_next = function_kept_reg & working;
    if (takes) begin
      // The current function's queues have been asked, too.
      if (queue_valid[0]) queue_kept_next[current_reg*QUEUES+:QUEUES] = active[current_reg*QUEUES+:QUEUES];
      queue_kept_next[chosen_function*QUEUES+:QUEUES] = active[chosen_function*QUEUES+:QUEUES];
      function_kept_next[chosen_function] = 1'b1;
    end
  end

  always @(posedge clk) begin
    queue_kept_reg <= queue_kept_next;
    function_kept_reg <= function_kept_next;
    if (takes) begin
      current_reg <= chosen_function;
      function_deficit_reg[chosen_function] <= (keeps_turn ? current_deficit : next_visited) - charged;
      if (queue_valid[0]) begin
        queue_deficits_reg[current_reg] <= visited[0+:STATE_WIDTH];
        queue_current_reg[current_reg]  <= queue[0+:QUEUE_WIDTH];
      end
      queue_deficits_reg[chosen_function] <= chosen_deficits;
      queue_current_reg[chosen_function]  <= chosen_queue;
    end

    if (rst) begin
      queue_kept_reg <= {FUNCTIONS * QUEUES{1'b0}};
      function_kept_reg <= {FUNCTIONS{1'b0}};
      current_reg <= {FUNCTION_WIDTH{1'b0}};
      for (k = 0; k < FUNCTIONS; k = k + 1) queue_current_reg[k] <= {QUEUE_WIDTH{1'b0}};
    end
  end

endmodule

`resetall
