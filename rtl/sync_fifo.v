// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// sync_fifo: entries in order, the oldest shown. The user sees to it that there is room.

`resetall
`timescale 1ns / 1ps
`default_nettype none

module sync_fifo #(
    // Width of an entry in bits
    parameter WIDTH = 8,
    // Entries, log2
    parameter DEPTH_WIDTH = 4
) (
    input wire clk,
    input wire rst,

    input wire             push_valid,
    input wire [WIDTH-1:0] push_entry,

    output wire             valid,
    output wire [WIDTH-1:0] entry,
    input  wire             pop
);

  reg [WIDTH-1:0] entry_memory[0:(1<<DEPTH_WIDTH)-1];
  reg [DEPTH_WIDTH:0] write_reg, read_reg;

  assign valid = write_reg != read_reg;
  assign entry = entry_memory[read_reg[DEPTH_WIDTH-1:0]];

  always @(posedge clk) begin
    if (push_valid) begin
      entry_memory[write_reg[DEPTH_WIDTH-1:0]] <= push_entry;
      write_reg <= write_reg + 1'b1;
    end
    if (pop && valid) read_reg <= read_reg + 1'b1;
    if (rst) begin
      write_reg <= {(DEPTH_WIDTH + 1) {1'b0}};
      read_reg  <= {(DEPTH_WIDTH + 1) {1'b0}};
    end
  end

endmodule

`resetall
