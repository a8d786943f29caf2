// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// function_fifos: a FIFO of contexts for each function, so that one function's wait is not another's.

`resetall
`timescale 1ns / 1ps
`default_nettype none

module function_fifos #(
    // Functions, and width of a function's number
    parameter FUNCTIONS = 7,
    parameter FUNCTION_WIDTH = 3,
    // Width of an entry; its uppermost bits are the function
    parameter WIDTH = 8,
    // Entries of each function, log2: as many as a function has contexts
    parameter DEPTH_WIDTH = 4
) (
    input wire clk,
    input wire rst,

    input wire             push_valid,
    input wire [WIDTH-1:0] push_entry,

    // Functions with an entry, and the oldest entry of the one looked at
    output reg  [     FUNCTIONS-1:0] waits,
    input  wire [FUNCTION_WIDTH-1:0] look_function,
    output wire [         WIDTH-1:0] look_entry,
    input  wire                      pop_valid
);

  reg [WIDTH-1:0] entry_memory[0:(FUNCTIONS<<DEPTH_WIDTH)-1];
  reg [DEPTH_WIDTH:0] write_reg[0:FUNCTIONS-1];
  reg [DEPTH_WIDTH:0] read_reg[0:FUNCTIONS-1];

  wire [FUNCTION_WIDTH-1:0] push_function = push_entry[WIDTH-1-:FUNCTION_WIDTH];
  wire [DEPTH_WIDTH-1:0] write_place = write_reg[push_function][DEPTH_WIDTH-1:0];
  wire [DEPTH_WIDTH-1:0] read_place = read_reg[look_function][DEPTH_WIDTH-1:0];
  assign look_entry = entry_memory[{look_function, read_place}];

  integer f;
  always @* for (f = 0; f < FUNCTIONS; f = f + 1) waits[f] = write_reg[f] != read_reg[f];

  always @(posedge clk) begin
    if (push_valid) begin
      entry_memory[{push_function, write_place}] <= push_entry;
      write_reg[push_function] <= write_reg[push_function] + 1'b1;
    end
    if (pop_valid) read_reg[look_function] <= read_reg[look_function] + 1'b1;
    if (rst)
      for (f = 0; f < FUNCTIONS; f = f + 1) begin
        write_reg[f] <= {(DEPTH_WIDTH + 1) {1'b0}};
        read_reg[f]  <= {(DEPTH_WIDTH + 1) {1'b0}};
      end
  end

endmodule

`resetall
