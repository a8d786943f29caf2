// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// prp_memory: the host pages of commands under way, by place in the command. Block memory, two readers.
//
// A command has a set of pages, a fused pair one for each half. What stands in the SQE (PRP1, and PRP2 where it is a page)
// is kept as the set's head, entries of PRP lists as they come. A list has 32 entries at most, those of a pair 4 each: the
// second half's stand in the upper half of the context's room. Entries are written by the dword, in the lanes in which
// `rc_router` puts them; a page's number is read in the cycle after its place is given.

`resetall
`timescale 1ns / 1ps
`default_nettype none

module prp_memory #(
    // Width of a context's number: {function, admin bit, number of 4 bits}
    parameter CONTEXT_WIDTH = 8
) (
    input wire clk,

    // Head of a set: whether PRP2 is a list pointer, PRP2 and PRP1 without their offsets
    input wire                     head_valid,
    input wire [CONTEXT_WIDTH-1:0] head_context,
    input wire                     head_set,
    input wire                     head_listed,
    input wire [            103:0] head_pages,

    // Entries of lists: a word has 4 of them; lanes below the split are of the next word, the last word's next is the first
    input wire                     come_valid,
    input wire [CONTEXT_WIDTH-1:0] come_context,
    input wire [              2:0] come_word,
    input wire [            255:0] come_data,
    input wire [              7:0] come_lanes,
    input wire [              2:0] come_split,

    // Number of the page at a place of a set, in the next cycle: for data to the host
    input  wire [CONTEXT_WIDTH-1:0] read_context,
    input  wire                     read_set,
    input  wire [              5:0] read_index,
    output wire [             51:0] read_page,

    // And for data from the host
    input  wire [CONTEXT_WIDTH-1:0] fetch_context,
    input  wire                     fetch_set,
    input  wire [              5:0] fetch_index,
    output wire [             51:0] fetch_page
);

  localparam SETS = 1 << CONTEXT_WIDTH;
  localparam WORDS = 1 << (CONTEXT_WIDTH + 2);

  reg [104:0] head_memory[0:SETS-1];
  wire [CONTEXT_WIDTH-1:0] head_place = {head_context[CONTEXT_WIDTH-1:5], head_context[3:0], head_set};
  always @(posedge clk) if (head_valid) head_memory[head_place] <= {head_listed, head_pages};

  wire [CONTEXT_WIDTH-2:0] come_room = {come_context[CONTEXT_WIDTH-1:5], come_context[3:0]};
  wire [2:0] next_word = come_word + 3'd1;

  wire [7:0] later = ~(8'hff << come_split);

  // Both readers: context, set, place
  wire [2*(CONTEXT_WIDTH+7)-1:0] places = {fetch_context, fetch_set, fetch_index, read_context, read_set, read_index};
  wire [103:0] found;
  assign {fetch_page, read_page} = found;

  genvar lane, side;
  generate
    for (side = 0; side < 2; side = side + 1) begin : gen_side
      wire [CONTEXT_WIDTH-1:0] context_number = places[side*(CONTEXT_WIDTH+7)+7+:CONTEXT_WIDTH];
      wire [CONTEXT_WIDTH-2:0] room = {context_number[CONTEXT_WIDTH-1:5], context_number[3:0]};
      wire set = places[side*(CONTEXT_WIDTH+7)+6];
      wire [5:0] index = places[side*(CONTEXT_WIDTH+7)+:6];
      wire [4:0] entry = (index[4:0] - 5'd1) | {set, 4'd0};
      reg [104:0] head_reg;
      reg first_reg, second_reg;
      reg [1:0] entry_reg;
      always @(posedge clk) begin
        head_reg   <= head_memory[{room, set}];
        first_reg  <= index == 6'd0;
        second_reg <= index == 6'd1;
        entry_reg  <= entry[1:0];
      end
      wire [CONTEXT_WIDTH+1:0] read_word = {room, entry[4:2]};
      wire [255:0] word;
      wire [63:0] listed = word[{entry_reg, 6'd0}+:64];
      wire in_head = first_reg || (second_reg && !head_reg[104]);
      assign found[52*side+:52] = in_head ? (first_reg ? head_reg[51:0] : head_reg[103:52]) : listed[63:12];
    end
    for (lane = 0; lane < 8; lane = lane + 1) begin : gen_lane
      reg [31:0] dword_memory[0:WORDS-1];
      reg [31:0] read_reg, fetch_reg;
      wire [CONTEXT_WIDTH+1:0] write_place = {come_room, later[lane] ? next_word : come_word};
      always @(posedge clk) begin
        if (come_valid && come_lanes[lane]) dword_memory[write_place] <= come_data[32*lane+:32];
        read_reg  <= dword_memory[gen_side[0].read_word];
        fetch_reg <= dword_memory[gen_side[1].read_word];
      end
      assign gen_side[0].word[32*lane+:32] = read_reg;
      assign gen_side[1].word[32*lane+:32] = fetch_reg;
    end
  endgenerate

endmodule

`resetall
