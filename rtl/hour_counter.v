// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// hour_counter: hours since reset, of a clock of 125 MHz.

`resetall
`timescale 1ns / 1ps
`default_nettype none

module hour_counter #(
    // Cycles of an hour
    parameter [38:0] CYCLES_AN_HOUR = 39'd450_000_000_000
) (
    input wire clk,
    input wire rst,

    output reg [31:0] hours
);

  reg [38:0] left_reg;
  always @(posedge clk) begin
    left_reg <= left_reg - 39'd1;
    if (left_reg == 39'd0) begin
      left_reg <= CYCLES_AN_HOUR - 39'd1;
      hours <= hours + 32'd1;
    end
    if (rst) begin
      left_reg <= CYCLES_AN_HOUR - 39'd1;
      hours <= 32'd0;
    end
  end

endmodule

`resetall
