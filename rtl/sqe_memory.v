// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// sqe_memory: the prefetched SQEs of all submission queues, 16 of each row.
//
// Written by the RC router in lanes of a dword; lanes below `write_split` go to the next word of the row's ring. An SQE
// is read as a whole and stands on `read_entry` in the next cycle.

`resetall
`timescale 1ns / 1ps
`default_nettype none

module sqe_memory #(
    // Width of a row's number
    parameter ROW_WIDTH = 6
) (
    input wire clk,

    input wire                 write_valid,
    // {row, slot, half}
    input wire [ROW_WIDTH+4:0] write_word,
    input wire [        255:0] write_data,
    input wire [          7:0] write_lanes,
    input wire [          2:0] write_split,

    // {row, slot}
    input  wire [ROW_WIDTH+3:0] read_place,
    output reg  [        511:0] read_entry
);

  localparam WORDS = 1 << (ROW_WIDTH + 4);

  reg [255:0] even_memory[0:WORDS-1];
  reg [255:0] odd_memory[0:WORDS-1];

  wire [4:0] next_low = write_word[4:0] + 5'd1;
  wire [ROW_WIDTH+4:0] next_word = {write_word[ROW_WIDTH+4:5], next_low};
  wire [7:0] later = ~(8'hff << write_split);
  wire odd = write_word[0];
  wire [ROW_WIDTH+3:0] even_place = odd ? next_word[ROW_WIDTH+4:1] : write_word[ROW_WIDTH+4:1];
  wire [ROW_WIDTH+3:0] odd_place = odd ? write_word[ROW_WIDTH+4:1] : next_word[ROW_WIDTH+4:1];
  wire [7:0] even_lanes = write_lanes & (odd ? later : ~later);
  wire [7:0] odd_lanes = write_lanes & (odd ? ~later : later);

  integer l;
  always @(posedge clk) begin
    for (l = 0; l < 8; l = l + 1) begin
      if (write_valid && even_lanes[l]) even_memory[even_place][32*l+:32] <= write_data[32*l+:32];
      if (write_valid && odd_lanes[l]) odd_memory[odd_place][32*l+:32] <= write_data[32*l+:32];
    end
    read_entry <= {odd_memory[read_place], even_memory[read_place]};
  end

endmodule

`resetall
