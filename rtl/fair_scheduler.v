// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// fair_scheduler: two levels of deficit round robin, functions and then a function's queues, one choice a cycle.
//
// For the data movers, which move at most a quantum at a time: so one visit always covers the cost, and a choice looks
// at two functions, the one that has the turn and the next with work. The costs are rows of a memory, so that only those
// of these two are looked at; a choice is made from them in the same cycle and stands until it is charged. Queues and
// functions that have no work for a cycle lose what they have saved.

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

    // Queues with work, QUEUES bits a function
    input wire [FUNCTIONS*QUEUES-1:0] active,

    // What a queue's next piece takes in bytes; from the next cycle on
    input wire                      cost_valid,
    input wire [FUNCTION_WIDTH-1:0] cost_function,
    input wire [   QUEUE_WIDTH-1:0] cost_queue,
    input wire [    COST_WIDTH-1:0] cost,

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

  // Costs of the queues of both
  wire [2*FUNCTION_WIDTH-1:0] looked_at = {next, current_reg};
  wire [2*QUEUES*COST_WIDTH-1:0] costs;
  genvar row;
  generate
    for (row = 0; row < QUEUES; row = row + 1) begin : gen_costs
      reg [COST_WIDTH-1:0] cost_memory[0:(1<<FUNCTION_WIDTH)-1];
      always @(posedge clk) if (cost_valid && cost_queue == row[QUEUE_WIDTH-1:0]) cost_memory[cost_function] <= cost;
      assign costs[row*COST_WIDTH+:COST_WIDTH] = cost_memory[current_reg];
      assign costs[(QUEUES+row)*COST_WIDTH+:COST_WIDTH] = cost_memory[next];
    end
  endgenerate

  // The queues' choices in both functions
  wire [1:0] queue_valid;
  wire [2*QUEUE_WIDTH-1:0] queue;
  wire [2*COST_WIDTH-1:0] bytes;
  wire [2*STATE_WIDTH-1:0] visited;
  genvar side;
  generate
    for (side = 0; side < 2; side = side + 1) begin : gen_side
      wire [FUNCTION_WIDTH-1:0] number = looked_at[side*FUNCTION_WIDTH+:FUNCTION_WIDTH];
      wire [QUEUE_WIDTH-1:0] choice;
      // The rows of that function
      wire [QUEUES*COST_WIDTH-1:0] queue_costs = costs[side*QUEUES*COST_WIDTH+:QUEUES*COST_WIDTH];
      reg [QUEUES-1:0] queue_active, kept;
      reg [STATE_WIDTH-1:0] deficits;
      reg [ COST_WIDTH-1:0] piece;
      integer n, q;
      always @* begin
        queue_active = {QUEUES{1'b0}};
        kept = {QUEUES{1'b0}};
        for (n = 0; n < FUNCTIONS; n = n + 1) begin
          if (number == n[FUNCTION_WIDTH-1:0]) begin
            queue_active = active[n*QUEUES+:QUEUES];
            kept = queue_kept_reg[n*QUEUES+:QUEUES];
          end
        end
        deficits = queue_deficits_reg[number];
        piece = {COST_WIDTH{1'b0}};
        for (q = 0; q < QUEUES; q = q + 1) begin
          if (!kept[q]) deficits[q*DEFICIT_WIDTH+:DEFICIT_WIDTH] = {DEFICIT_WIDTH{1'b0}};
          if (choice == q[QUEUE_WIDTH-1:0]) piece = queue_costs[q*COST_WIDTH+:COST_WIDTH];
        end
      end
      drr_select #(
          .ROWS(QUEUES),
          .ROW_WIDTH(QUEUE_WIDTH),
          .COST_WIDTH(COST_WIDTH),
          .DEFICIT_WIDTH(DEFICIT_WIDTH),
          .QUANTUM_SHIFT(QUANTUM_SHIFT)
      ) queue_choice (
          .eligible(queue_active),
          .current(queue_current_reg[number]),
          .costs(queue_costs),
          .deficits(deficits),
          .chosen_valid(queue_valid[side]),
          .chosen(choice),
          .visited_deficits(visited[side*STATE_WIDTH+:STATE_WIDTH])
      );
      assign queue[side*QUEUE_WIDTH+:QUEUE_WIDTH] = choice;
      assign bytes[side*COST_WIDTH+:COST_WIDTH]   = piece;
    end
  endgenerate

  // The current function keeps its turn while its deficit covers its piece.
  wire [DEFICIT_WIDTH-1:0] current_deficit =
      function_deficit_reg[current_reg] & {DEFICIT_WIDTH{function_kept_reg[current_reg]}};
  wire [DEFICIT_WIDTH-1:0] next_deficit = function_deficit_reg[next] & {DEFICIT_WIDTH{function_kept_reg[next]}};
  wire [DEFICIT_WIDTH-1:0] next_visited = next_deficit + QUANTUM;
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
    for (k = 0; k < QUEUES; k = k + 1) begin
      if (chosen_queue == k[QUEUE_WIDTH-1:0])
        chosen_deficits[k*DEFICIT_WIDTH+:DEFICIT_WIDTH] = chosen_deficits[k*DEFICIT_WIDTH+:DEFICIT_WIDTH] - charged;
    end

    queue_kept_next = queue_kept_reg & active;
    function_kept_next = function_kept_reg & working;
    for (k = 0; k < FUNCTIONS; k = k + 1) begin
      if (takes && chosen_function == k[FUNCTION_WIDTH-1:0]) function_kept_next[k] = 1'b1;
      // The current function's queues have been asked, too.
      if (takes && (chosen_function == k[FUNCTION_WIDTH-1:0] || current_reg == k[FUNCTION_WIDTH-1:0]))
        queue_kept_next[k*QUEUES+:QUEUES] = active[k*QUEUES+:QUEUES];
    end
  end

  integer r;
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
      for (r = 0; r < FUNCTIONS; r = r + 1) queue_current_reg[r] <= {QUEUE_WIDTH{1'b0}};
    end
  end

endmodule

`resetall
