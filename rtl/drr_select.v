// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// drr_select: one choice of deficit round robin, whatever the costs. Combinational.
//
// The rule: the current row keeps its turn while its deficit covers its cost. Else the rows that may be chosen are
// visited in turn, beginning after the current one and ending with it; each visit adds a quantum to the row's deficit,
// and the first row whose deficit then covers its cost is chosen. Going around many times is one step here: a row needs
// as many visits as quanta are missing, the row with the fewest is chosen, and of equal ones the first in turn.

`resetall
`timescale 1ns / 1ps
`default_nettype none

module drr_select #(
    // Rows to choose from, and width of a row's number in bits
    parameter ROWS = 5,
    parameter ROW_WIDTH = 3,
    // Width of a cost in bits
    parameter COST_WIDTH = 19,
    // Width of a deficit in bits, more than COST_WIDTH; a deficit that would be wider stays at its largest value
    parameter DEFICIT_WIDTH = 32,
    // Log2 of the quantum in bytes, less than COST_WIDTH
    parameter QUANTUM_SHIFT = 12
) (
    // Rows with work that may be chosen
    input  wire [              ROWS-1:0] eligible,
    // The row that was chosen last
    input  wire [         ROW_WIDTH-1:0] current,
    input  wire [   ROWS*COST_WIDTH-1:0] costs,
    input  wire [ROWS*DEFICIT_WIDTH-1:0] deficits,
    // There is a row to choose
    output wire                          chosen_valid,
    output reg  [         ROW_WIDTH-1:0] chosen,
    // Deficits after the visits; the chosen row's cost is not yet taken off
    output reg  [ROWS*DEFICIT_WIDTH-1:0] visited_deficits
);

  // Visits that the largest cost needs fit in this many bits.
  localparam VISITS_WIDTH = COST_WIDTH - QUANTUM_SHIFT + 1;

  generate
    if (ROWS > (1 << ROW_WIDTH)) begin : gen_row_width_check
      ROW_WIDTH_is_too_narrow_for_ROWS check ();
    end
    if (DEFICIT_WIDTH <= COST_WIDTH || COST_WIDTH <= QUANTUM_SHIFT) begin : gen_deficit_width_check
      DEFICIT_WIDTH_must_be_above_COST_WIDTH_and_that_above_QUANTUM_SHIFT check ();
    end
  endgenerate

  // What each row has to say: whether its deficit covers its cost, and else how many quanta are missing
  wire [ROWS-1:0] covered;
  wire [ROWS*VISITS_WIDTH-1:0] visits_needed;

  genvar row;
  generate
    for (row = 0; row < ROWS; row = row + 1) begin : gen_row
      wire [COST_WIDTH-1:0] cost = costs[row*COST_WIDTH+:COST_WIDTH];
      wire [DEFICIT_WIDTH-1:0] deficit = deficits[row*DEFICIT_WIDTH+:DEFICIT_WIDTH];
      assign covered[row] = deficit >= {{DEFICIT_WIDTH - COST_WIDTH{1'b0}}, cost};
      // Rounded up; only looked at when it is positive.
      wire [COST_WIDTH-1:0] missing_less_one = cost - deficit[COST_WIDTH-1:0] - 1'b1;
      wire unused = &{1'b0, missing_less_one[QUANTUM_SHIFT-1:0]};
      assign visits_needed[row*VISITS_WIDTH+:VISITS_WIDTH] =
          covered[row] ? {{VISITS_WIDTH - 1{1'b0}}, 1'b1} : {1'b0, missing_less_one[COST_WIDTH-1:QUANTUM_SHIFT]} + 1'b1;
    end
  endgenerate

  assign chosen_valid = |eligible;

  wire [ROWS-1:0] current_bit = {{ROWS - 1{1'b0}}, 1'b1} << current;
  wire keeps_turn = |(eligible & covered & current_bit);
  // Rows after the current one; those up to it come later in a round.
  wire [ROWS-1:0] after = ~(current_bit | (current_bit - 1'b1));

  reg [VISITS_WIDTH-1:0] fewest;
  reg [ROWS-1:0] candidates, early, in_front;
  reg [VISITS_WIDTH-1:0] visits;
  reg [DEFICIT_WIDTH:0] sum;
  integer i;
  always @* begin
    fewest = {VISITS_WIDTH{1'b1}};
    for (i = 0; i < ROWS; i = i + 1) begin
      if (eligible[i] && visits_needed[i*VISITS_WIDTH+:VISITS_WIDTH] < fewest)
        fewest = visits_needed[i*VISITS_WIDTH+:VISITS_WIDTH];
    end

    for (i = 0; i < ROWS; i = i + 1) begin
      candidates[i] = eligible[i] && visits_needed[i*VISITS_WIDTH+:VISITS_WIDTH] == fewest;
    end
    early  = |(candidates & after) ? candidates & after : candidates;
    chosen = {ROW_WIDTH{1'b0}};
    for (i = ROWS - 1; i >= 0; i = i - 1) if (early[i]) chosen = i[ROW_WIDTH-1:0];
    if (keeps_turn) chosen = current;

    // Rows that the last round reaches, the chosen one included
    for (i = 0; i < ROWS; i = i + 1) in_front[i] = after[i] == after[chosen] ? i[ROW_WIDTH-1:0] <= chosen : after[i];

    visits = {VISITS_WIDTH{1'b0}};
    sum = {DEFICIT_WIDTH + 1{1'b0}};
    for (i = 0; i < ROWS; i = i + 1) begin
      visits = eligible[i] && !keeps_turn ? fewest - {{VISITS_WIDTH - 1{1'b0}}, !in_front[i]} : {VISITS_WIDTH{1'b0}};
      sum = {1'b0, deficits[i*DEFICIT_WIDTH+:DEFICIT_WIDTH]} +
          ({{DEFICIT_WIDTH + 1 - VISITS_WIDTH{1'b0}}, visits} << QUANTUM_SHIFT);
      visited_deficits[i*DEFICIT_WIDTH+:DEFICIT_WIDTH] =
          sum[DEFICIT_WIDTH] ? {DEFICIT_WIDTH{1'b1}} : sum[DEFICIT_WIDTH-1:0];
    end
  end

`ifdef FORMAL
  `include "drr_select_properties.vh"
`endif

endmodule

`resetall
