// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// idle_detector: nothing is under way, and nothing will be before something comes in from outside.
//
// `busy` says whether anything is under way that may take long. What follows a command in a few cycles (counters, the
// error log) is not asked: nothing may have been busy for SETTLE_CYCLES.

`resetall
`timescale 1ns / 1ps
`default_nettype none

module idle_detector #(
    // Cycles for which all must have been quiet, a power of two
    parameter SETTLE_CYCLES = 64
) (
    input wire clk,
    input wire rst,

    input  wire busy,
    output wire idle
);

  localparam WIDTH = $clog2(SETTLE_CYCLES) + 1;

  reg [WIDTH-1:0] quiet_reg;
  assign idle = quiet_reg[WIDTH-1] && !busy;

  always @(posedge clk) begin
    if (busy) quiet_reg <= {WIDTH{1'b0}};
    else if (!quiet_reg[WIDTH-1]) quiet_reg <= quiet_reg + 1'b1;
    if (rst) quiet_reg <= {WIDTH{1'b0}};
  end

endmodule

`resetall
