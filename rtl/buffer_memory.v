// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// buffer_memory: host data of Writes and Compares, in words of 32 bytes.
//
// Written by the RC router in lanes of a dword; lanes below `write_split` go to the next word, which may be anywhere, but
// is even when the first is odd and the other way around. Two places read a word a cycle: what goes to the medium, and
// what the medium is compared with.

`resetall
`timescale 1ns / 1ps
`default_nettype none

module buffer_memory #(
    // Width of a word's number
    parameter WORD_WIDTH = 16
) (
    input wire clk,

    input wire                  write_valid,
    input wire [WORD_WIDTH-1:0] write_word,
    input wire [WORD_WIDTH-1:0] write_next_word,
    input wire [         255:0] write_data,
    input wire [           7:0] write_lanes,
    input wire [           2:0] write_split,

    input  wire                  out_enable,
    input  wire [WORD_WIDTH-1:0] out_word,
    output wire [         255:0] out_data,
    input  wire [WORD_WIDTH-1:0] compare_word,
    output wire [         255:0] compare_data
);

  localparam WORDS = 1 << (WORD_WIDTH - 1);

  reg [255:0] even_memory[0:WORDS-1];
  reg [255:0] odd_memory [0:WORDS-1];
  reg [255:0] out_even_reg, out_odd_reg, compare_even_reg, compare_odd_reg;
  reg out_is_odd_reg, compare_is_odd_reg;

  wire [WORD_WIDTH-1:0] next_word = write_next_word;
  wire [7:0] later = ~(8'hff << write_split);
  wire odd = write_word[0];
  wire [WORD_WIDTH-2:0] even_place = odd ? next_word[WORD_WIDTH-1:1] : write_word[WORD_WIDTH-1:1];
  wire [WORD_WIDTH-2:0] odd_place = odd ? write_word[WORD_WIDTH-1:1] : next_word[WORD_WIDTH-1:1];
  wire [7:0] even_lanes = write_lanes & (odd ? later : ~later);
  wire [7:0] odd_lanes = write_lanes & (odd ? ~later : later);

  assign out_data = out_is_odd_reg ? out_odd_reg : out_even_reg;
  assign compare_data = compare_is_odd_reg ? compare_odd_reg : compare_even_reg;

  integer l;
  always @(posedge clk) begin
    for (l = 0; l < 8; l = l + 1) begin
      if (write_valid && even_lanes[l]) even_memory[even_place][32*l+:32] <= write_data[32*l+:32];
      if (write_valid && odd_lanes[l]) odd_memory[odd_place][32*l+:32] <= write_data[32*l+:32];
    end
    if (out_enable) begin
      out_even_reg   <= even_memory[out_word[WORD_WIDTH-1:1]];
      out_odd_reg    <= odd_memory[out_word[WORD_WIDTH-1:1]];
      out_is_odd_reg <= out_word[0];
    end
    compare_even_reg   <= even_memory[compare_word[WORD_WIDTH-1:1]];
    compare_odd_reg    <= odd_memory[compare_word[WORD_WIDTH-1:1]];
    compare_is_odd_reg <= compare_word[0];
  end

endmodule

`resetall
