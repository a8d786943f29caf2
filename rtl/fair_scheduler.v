// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// fair_scheduler: two levels of deficit round robin, functions and then a function's queues, one choice a cycle.
//
// For the data movers, which move at most a quantum at a time: so one visit always covers the cost, the next queue in turn
// is the next to be chosen, and a choice looks at two functions, the one that has the turn and the next with work. Costs
// and deficits are rows of memories, so that only those of these two are looked at. Queues and functions that have no work
// for a cycle lose what they have saved. Choices are at least three cycles apart, and `active` has been still for the
// cycle before.

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
  localparam [DEFICIT_WIDTH-1:0] QUANTUM = 1 << QUANTUM_SHIFT;

  // Bits of `kept_reg` tell which deficits hold; the others are 0.
  reg [QUEUE_WIDTH-1:0] queue_current_reg[0:FUNCTIONS-1];
  reg [FUNCTIONS*QUEUES-1:0] queue_kept_reg, queue_kept_next;
  reg [DEFICIT_WIDTH-1:0] function_deficit_memory[0:(1<<FUNCTION_WIDTH)-1];
  reg [FUNCTIONS-1:0] function_kept_reg, function_kept_next;
  reg [FUNCTION_WIDTH-1:0] current_reg, next_reg;

  // Functions with work, and the next of them after the current one, around
  reg [FUNCTIONS-1:0] working;
  integer f;
  always @* for (f = 0; f < FUNCTIONS; f = f + 1) working[f] = |active[f*QUEUES+:QUEUES];
  wire [FUNCTION_WIDTH-1:0] after_current = current_reg + 1'b1;
  wire [FUNCTION_WIDTH-1:0] next;
  wire unused_any;
  round_robin #(
      .COUNT(FUNCTIONS),
      .WIDTH(FUNCTION_WIDTH)
  ) function_turn (
      .request(working),
      .from(after_current),
      .chosen(next),
      .valid(unused_any)
  );

  // Costs and deficits of the queues of both; deficits are written in the two cycles behind a choice
  wire [2*FUNCTION_WIDTH-1:0] looked_at = {next_reg, current_reg};
  wire [2*QUEUES*COST_WIDTH-1:0] costs;
  wire [2*QUEUES*DEFICIT_WIDTH-1:0] stored_deficits;
  wire write_deficit;
  wire [FUNCTION_WIDTH-1:0] write_function;
  wire [QUEUE_WIDTH-1:0] write_queue;
  wire [DEFICIT_WIDTH-1:0] write_value;
  genvar row;
  generate
    for (row = 0; row < QUEUES; row = row + 1) begin : gen_rows
      reg [COST_WIDTH-1:0] cost_memory[0:(1<<FUNCTION_WIDTH)-1];
      reg [DEFICIT_WIDTH-1:0] deficit_memory[0:(1<<FUNCTION_WIDTH)-1];
      always @(posedge clk) begin
        if (cost_valid && cost_queue == row[QUEUE_WIDTH-1:0]) cost_memory[cost_function] <= cost;
        if (write_deficit && write_queue == row[QUEUE_WIDTH-1:0]) deficit_memory[write_function] <= write_value;
      end
      assign costs[row*COST_WIDTH+:COST_WIDTH] = cost_memory[current_reg];
      assign costs[(QUEUES+row)*COST_WIDTH+:COST_WIDTH] = cost_memory[next_reg];
      assign stored_deficits[row*DEFICIT_WIDTH+:DEFICIT_WIDTH] = deficit_memory[current_reg];
      assign stored_deficits[(QUEUES+row)*DEFICIT_WIDTH+:DEFICIT_WIDTH] = deficit_memory[next_reg];
    end
  endgenerate

  wire [DEFICIT_WIDTH-1:0] current_deficit =
      function_deficit_memory[current_reg] & {DEFICIT_WIDTH{function_kept_reg[current_reg]}};
  wire [DEFICIT_WIDTH-1:0] next_deficit =
      function_deficit_memory[next_reg] & {DEFICIT_WIDTH{function_kept_reg[next_reg]}};

  // The queues' choices in both functions: the current queue keeps its turn while its deficit covers its piece
  wire [1:0] queue_valid, covered;
  wire [2*QUEUE_WIDTH-1:0] queue;
  wire [2*COST_WIDTH-1:0] bytes;
  wire [2*DEFICIT_WIDTH-1:0] visited;
  genvar side;
  generate
    for (side = 0; side < 2; side = side + 1) begin : gen_side
      wire [FUNCTION_WIDTH-1:0] number = looked_at[side*FUNCTION_WIDTH+:FUNCTION_WIDTH];
      reg [QUEUES-1:0] queue_active, kept;
      reg [QUEUE_WIDTH-1:0] has_turn;
      integer n;
      always @* begin
        queue_active = {QUEUES{1'b0}};
        kept = {QUEUES{1'b0}};
        has_turn = {QUEUE_WIDTH{1'b0}};
        for (n = 0; n < FUNCTIONS; n = n + 1) begin
          if (number == n[FUNCTION_WIDTH-1:0]) begin
            queue_active = active[n*QUEUES+:QUEUES];
            kept = queue_kept_reg[n*QUEUES+:QUEUES];
            has_turn = queue_current_reg[n];
          end
        end
      end
      wire [QUEUE_WIDTH-1:0] after_turn = has_turn + 1'b1;
      wire [QUEUE_WIDTH-1:0] in_turn;
      round_robin #(
          .COUNT(QUEUES),
          .WIDTH(QUEUE_WIDTH)
      ) queue_turn (
          .request(queue_active),
          .from(after_turn),
          .chosen(in_turn),
          .valid(queue_valid[side])
      );

      wire [QUEUES*COST_WIDTH-1:0] queue_costs = costs[side*QUEUES*COST_WIDTH+:QUEUES*COST_WIDTH];
      wire [QUEUES*DEFICIT_WIDTH-1:0] deficits = stored_deficits[side*QUEUES*DEFICIT_WIDTH+:QUEUES*DEFICIT_WIDTH];
      reg [COST_WIDTH-1:0] turn_cost, fresh_cost;
      reg [DEFICIT_WIDTH-1:0] turn_deficit, fresh_deficit;
      reg has_work;
      integer q;
      always @* begin
        turn_cost = {COST_WIDTH{1'b0}};
        fresh_cost = {COST_WIDTH{1'b0}};
        turn_deficit = {DEFICIT_WIDTH{1'b0}};
        fresh_deficit = {DEFICIT_WIDTH{1'b0}};
        has_work = 1'b0;
        for (q = 0; q < QUEUES; q = q + 1) begin
          if (has_turn == q[QUEUE_WIDTH-1:0]) begin
            has_work  = queue_active[q];
            turn_cost = queue_costs[q*COST_WIDTH+:COST_WIDTH];
            if (kept[q]) turn_deficit = deficits[q*DEFICIT_WIDTH+:DEFICIT_WIDTH];
          end
          if (in_turn == q[QUEUE_WIDTH-1:0]) begin
            fresh_cost = queue_costs[q*COST_WIDTH+:COST_WIDTH];
            if (kept[q]) fresh_deficit = deficits[q*DEFICIT_WIDTH+:DEFICIT_WIDTH];
          end
        end
      end
      wire keeps = has_work && turn_deficit >= {1'b0, turn_cost};
      assign queue[side*QUEUE_WIDTH+:QUEUE_WIDTH] = keeps ? has_turn : in_turn;
      assign bytes[side*COST_WIDTH+:COST_WIDTH] = keeps ? turn_cost : fresh_cost;
      assign visited[side*DEFICIT_WIDTH+:DEFICIT_WIDTH] = keeps ? turn_deficit : fresh_deficit + QUANTUM;
      // Compared beside the queue's own comparison, not behind it
      assign covered[side] = keeps ? current_deficit >= {1'b0, turn_cost} : current_deficit >= {1'b0, fresh_cost};
    end
  endgenerate

  // And the current function while its deficit covers its piece
  wire keeps_turn = queue_valid[0] && covered[0];

  assign chosen_valid = queue_valid[1];
  assign chosen_function = keeps_turn ? current_reg : next_reg;
  assign chosen_queue = keeps_turn ? queue[0+:QUEUE_WIDTH] : queue[QUEUE_WIDTH+:QUEUE_WIDTH];
  assign chosen_bytes = keeps_turn ? bytes[0+:COST_WIDTH] : bytes[COST_WIDTH+:COST_WIDTH];

  wire takes = select && chosen_valid;

  // What was asked is written first: the current function's queues, even when it loses the turn. Then what was chosen.
  reg asked_reg, taken_reg, charged_reg;
  reg [FUNCTION_WIDTH-1:0] asked_function_reg;
  reg [QUEUE_WIDTH-1:0] asked_queue_reg;
  reg [DEFICIT_WIDTH-1:0] asked_value_reg, taken_value_reg, function_value_reg;
  reg [COST_WIDTH-1:0] taken_bytes_reg;
  reg writes_reg;
  wire [DEFICIT_WIDTH-1:0] charged = {1'b0, taken_bytes_reg} & {DEFICIT_WIDTH{charged_reg}};
  assign write_deficit = asked_reg || writes_reg;
  assign write_function = asked_reg ? asked_function_reg : current_reg;
  assign write_queue = asked_reg ? asked_queue_reg : queue_current_reg[current_reg];
  assign write_value = asked_reg ? asked_value_reg : taken_value_reg - charged;

  wire [FUNCTIONS*QUEUES-1:0] asked_bits, chosen_bits;
  genvar n_function, n_queue;
  generate
    for (n_function = 0; n_function < FUNCTIONS; n_function = n_function + 1) begin : gen_bits
      for (n_queue = 0; n_queue < QUEUES; n_queue = n_queue + 1) begin : gen_bit
        assign asked_bits[n_function*QUEUES+n_queue] = queue_valid[0] &&
            current_reg == n_function && queue[0+:QUEUE_WIDTH] == n_queue;
        assign chosen_bits[n_function*QUEUES+n_queue] = chosen_function == n_function && chosen_queue == n_queue;
      end
    end
  endgenerate
  integer k;
  always @* begin
    queue_kept_next = queue_kept_reg & active;
    function_kept_next = function_kept_reg & working;
    for (k = 0; k < FUNCTIONS * QUEUES; k = k + 1) begin
      if (takes && (asked_bits[k] || chosen_bits[k])) queue_kept_next[k] = 1'b1;
    end
    for (k = 0; k < FUNCTIONS; k = k + 1) begin
      if (takes && chosen_function == k[FUNCTION_WIDTH-1:0]) function_kept_next[k] = 1'b1;
    end
  end

  integer r;
  always @(posedge clk) begin
    next_reg <= next;
    queue_kept_reg <= queue_kept_next;
    function_kept_reg <= function_kept_next;
    asked_reg <= takes && queue_valid[0];
    asked_function_reg <= current_reg;
    asked_queue_reg <= queue[0+:QUEUE_WIDTH];
    asked_value_reg <= visited[0+:DEFICIT_WIDTH];
    taken_reg <= takes;
    writes_reg <= taken_reg;
    if (takes) begin
      current_reg <= chosen_function;
      function_value_reg <= keeps_turn ? current_deficit : next_deficit + QUANTUM;
      taken_value_reg <= keeps_turn ? visited[0+:DEFICIT_WIDTH] : visited[DEFICIT_WIDTH+:DEFICIT_WIDTH];
      taken_bytes_reg <= chosen_bytes;
      charged_reg <= charge;
      if (queue_valid[0]) queue_current_reg[current_reg] <= queue[0+:QUEUE_WIDTH];
      queue_current_reg[chosen_function] <= chosen_queue;
    end

    if (writes_reg) function_deficit_memory[current_reg] <= function_value_reg - charged;

    if (rst) begin
      asked_reg <= 1'b0;
      taken_reg <= 1'b0;
      writes_reg <= 1'b0;
      queue_kept_reg <= {FUNCTIONS * QUEUES{1'b0}};
      function_kept_reg <= {FUNCTIONS{1'b0}};
      current_reg <= {FUNCTION_WIDTH{1'b0}};
      for (r = 0; r < FUNCTIONS; r = r + 1) queue_current_reg[r] <= {QUEUE_WIDTH{1'b0}};
    end
  end

endmodule

`resetall
