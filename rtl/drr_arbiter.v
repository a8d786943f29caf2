// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// drr_arbiter: deficit round robin by bytes among the rows of one of several arbiters, one choice a cycle.
//
// The arbiters (one a function) are rows of one memory: deficits and the row that has the turn. A choice is made from
// the costs at the inputs in the same cycle and stands until it is charged; the cost of a row that has the turn should
// not change before. A row that is not active for a cycle loses what it has saved.

`resetall
`timescale 1ns / 1ps
`default_nettype none

module drr_arbiter #(
    // Arbiters, and width of an arbiter's number in bits
    parameter ARBITERS = 7,
    parameter ARBITER_WIDTH = 3,
    // Rows of each arbiter, and width of a row's number in bits
    parameter ROWS = 5,
    parameter ROW_WIDTH = 3,
    // Width of a cost in bits
    parameter COST_WIDTH = 19,
    // Width of a deficit in bits, more than COST_WIDTH
    parameter DEFICIT_WIDTH = 32,
    // Log2 of the quantum in bytes
    parameter QUANTUM_SHIFT = 12
) (
    input wire clk,
    input wire rst,

    // Rows with work, ROWS bits an arbiter
    input wire [ARBITERS*ROWS-1:0] active,

    // The choice: by which arbiter, among which of its rows, and what they would take in bytes
    input  wire [  ARBITER_WIDTH-1:0] arbiter,
    input  wire [           ROWS-1:0] allowed,
    input  wire [ROWS*COST_WIDTH-1:0] costs,
    output wire                       chosen_valid,
    output wire [      ROW_WIDTH-1:0] chosen,

    // The choice is made
    input wire select,
    // And the chosen row moves its cost: only together with select, may depend on the choice
    input wire charge
);

  localparam STATE_WIDTH = ROWS * DEFICIT_WIDTH;

  // Bits of `kept_reg` tell which deficits hold; the others are 0.
  reg [STATE_WIDTH-1:0] deficits_reg[0:ARBITERS-1];
  reg [  ROW_WIDTH-1:0] current_reg [0:ARBITERS-1];
  reg [ARBITERS*ROWS-1:0] kept_reg, kept_next;

  wire [ROWS-1:0] active_rows = active[arbiter*ROWS+:ROWS];
  wire [ROWS-1:0] kept_rows = kept_reg[arbiter*ROWS+:ROWS];
  wire [STATE_WIDTH-1:0] stored_deficits = deficits_reg[arbiter];
  wire [STATE_WIDTH-1:0] visited_deficits;
  reg [STATE_WIDTH-1:0] deficits, deficits_next;

  drr_select #(
      .ROWS(ROWS),
      .ROW_WIDTH(ROW_WIDTH),
      .COST_WIDTH(COST_WIDTH),
      .DEFICIT_WIDTH(DEFICIT_WIDTH),
      .QUANTUM_SHIFT(QUANTUM_SHIFT)
  ) choice (
      .eligible(active_rows & allowed),
      .current(current_reg[arbiter]),
      .costs(costs),
      .deficits(deficits),
      .chosen_valid(chosen_valid),
      .chosen(chosen),
      .visited_deficits(visited_deficits)
  );

  wire takes = select && chosen_valid;
  integer r;
  always @* begin
    for (r = 0; r < ROWS; r = r + 1) begin
      deficits[r*DEFICIT_WIDTH+:DEFICIT_WIDTH] =
          stored_deficits[r*DEFICIT_WIDTH+:DEFICIT_WIDTH] & {DEFICIT_WIDTH{kept_rows[r]}};
    end

    deficits_next = visited_deficits;
    for (r = 0; r < ROWS; r = r + 1) begin
      if (charge && chosen == r[ROW_WIDTH-1:0])
        deficits_next[r*DEFICIT_WIDTH+:DEFICIT_WIDTH] = visited_deficits[r*DEFICIT_WIDTH+:DEFICIT_WIDTH] -
            {{DEFICIT_WIDTH - COST_WIDTH{1'b0}}, costs[r*COST_WIDTH+:COST_WIDTH]};
    end

    kept_next = kept_reg & active;
    if (takes) kept_next[arbiter*ROWS+:ROWS] = active_rows;
  end

  integer a;
  always @(posedge clk) begin
    kept_reg <= kept_next;
    if (takes) begin
      deficits_reg[arbiter] <= deficits_next;
      current_reg[arbiter]  <= chosen;
    end

    if (rst) begin
      kept_reg <= {ARBITERS * ROWS{1'b0}};
      for (a = 0; a < ARBITERS; a = a + 1) current_reg[a] <= {ROW_WIDTH{1'b0}};
    end
  end

endmodule

`resetall
