// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// buffer_map: which buffers a segment has.
//
// Each function has 16 buffers of 4 KiB. A segment gets one for each 4 KiB of its data, for both halves of a pair; they
// are noted one a cycle from the cycle after `give` on, while `busy`. They go back all at once. Places of the buffer
// memory are {function, buffer, word}; words of a segment are {context without the admin bit, half, word}.

`resetall
`timescale 1ns / 1ps
`default_nettype none

module buffer_map #(
    // Functions, and width of a function's number
    parameter FUNCTIONS = 7,
    parameter FUNCTION_WIDTH = 3,
    // Width of a context's number without the admin bit, of a segment's word, and of a place (derived)
    parameter NUMBER_WIDTH = FUNCTION_WIDTH + 4,
    parameter WORD_WIDTH = NUMBER_WIDTH + 10,
    parameter PLACE_WIDTH = FUNCTION_WIDTH + 11
) (
    input wire clk,
    input wire rst,

    // Free buffers of a function, up to date while not busy
    input  wire [FUNCTION_WIDTH-1:0] room_function,
    output reg  [               4:0] room,
    output wire                      busy,
    // Gives a segment of 1 to 4 pages its buffers; a pair's segment as many again
    input  wire                      give_valid,
    input  wire [  NUMBER_WIDTH-1:0] give_number,
    input  wire                      give_slot,
    input  wire [               2:0] give_pages,
    input  wire                      give_two,
    // Takes them back
    input  wire                      free_valid,
    input  wire [  NUMBER_WIDTH-1:0] free_number,
    input  wire                      free_slot,

    // Where words are: what a host sends, with the word behind it, and what goes to the medium
    input  wire [NUMBER_WIDTH-1:0] host_number,
    input  wire                    host_half,
    input  wire [             8:0] host_word,
    output wire [ PLACE_WIDTH-1:0] host_place,
    output wire [ PLACE_WIDTH-1:0] host_next_place,
    input  wire [  WORD_WIDTH-1:0] out_word,
    output wire [ PLACE_WIDTH-1:0] out_place,
    // The buffer of a page
    input  wire [NUMBER_WIDTH-1:0] page_number,
    input  wire                    page_half,
    input  wire [             1:0] page,
    output wire [             3:0] page_buffer
);

  localparam ROWS = 1 << (NUMBER_WIDTH + 1);

  reg [15:0] free_reg[0:FUNCTIONS-1];
  reg [15:0] mask_memory[0:ROWS-1];

  // The segment whose buffers are being noted
  reg busy_reg, half_reg, slot_reg, two_reg;
  reg [NUMBER_WIDTH-1:0] number_reg;
  reg [1:0] page_reg, last_page_reg;
  reg [15:0] mask_reg;
  wire [FUNCTION_WIDTH-1:0] busy_function = number_reg[NUMBER_WIDTH-1:4];
  wire [15:0] free_now = free_reg[busy_function];
  wire [15:0] taken_bit = free_now & (~free_now + 16'd1);
  wire [15:0] mask = mask_reg | taken_bit;
  wire half_ends = page_reg == last_page_reg;
  wire ends = half_ends && (half_reg || !two_reg);
  wire half = two_reg ? half_reg : slot_reg;
  assign busy = busy_reg;

  wire [15:0] back = mask_memory[{free_number, free_slot}];
  wire [FUNCTION_WIDTH-1:0] free_function = free_number[NUMBER_WIDTH-1:4];

  integer b, f;
  reg [3:0] buffer;
  always @* begin
    buffer = 4'd0;
    if (busy_reg) for (b = 0; b < 16; b = b + 1) if (taken_bit[b]) buffer = b[3:0];
  end
  wire [15:0] room_bits = free_reg[room_function];
  always @* begin
    room = 5'd0;
    for (b = 0; b < 16; b = b + 1) room = room + {4'd0, room_bits[b]};
  end

  // The map: the pages of a half side by side
  wire [NUMBER_WIDTH:0] host_row = {host_number, host_half};
  wire [FUNCTION_WIDTH-1:0] host_function = host_number[NUMBER_WIDTH-1:4];
  wire [NUMBER_WIDTH:0] out_row = out_word[WORD_WIDTH-1:9];
  wire [15:0] host_buffers, out_buffers, page_buffers;
  genvar p;
  generate
    for (p = 0; p < 4; p = p + 1) begin : gen_page
      reg [3:0] buffer_memory[0:ROWS-1];
      always @(posedge clk) if (busy_reg && page_reg == p) buffer_memory[{number_reg, half}] <= buffer;
      assign host_buffers[4*p+:4] = buffer_memory[host_row];
      assign out_buffers[4*p+:4]  = buffer_memory[out_row];
      assign page_buffers[4*p+:4] = buffer_memory[{page_number, page_half}];
    end
  endgenerate
  wire [8:0] host_next = host_word + 9'd1;
  assign host_place = {host_function, host_buffers[{host_word[8:7], 2'b00}+:4], host_word[6:0]};
  assign host_next_place = {host_function, host_buffers[{host_next[8:7], 2'b00}+:4], host_next[6:0]};
  assign out_place = {out_word[WORD_WIDTH-1-:FUNCTION_WIDTH], out_buffers[{out_word[8:7], 2'b00}+:4], out_word[6:0]};
  assign page_buffer = page_buffers[{page, 2'b00}+:4];

  always @(posedge clk) begin
    if (busy_reg) begin
      mask_reg <= mask;
      page_reg <= half_ends ? 2'd0 : page_reg + 2'd1;
      half_reg <= half_reg || half_ends;
      if (ends) begin
        busy_reg <= 1'b0;
        mask_memory[{number_reg, slot_reg}] <= mask;
      end
      free_reg[busy_function] <= free_now & ~taken_bit;
    end
    if (free_valid) begin
      free_reg[free_function] <= free_reg[free_function] & ~(busy_reg && busy_function == free_function ? taken_bit : 16'd0) |
          back;
    end
    if (give_valid) begin
      busy_reg <= 1'b1;
      number_reg <= give_number;
      slot_reg <= give_slot;
      two_reg <= give_two;
      half_reg <= 1'b0;
      page_reg <= 2'd0;
      last_page_reg <= give_pages[1:0] - 2'd1;
      mask_reg <= 16'd0;
    end
    if (rst) begin
      busy_reg <= 1'b0;
      for (f = 0; f < FUNCTIONS; f = f + 1) free_reg[f] <= 16'hffff;
    end
  end

endmodule

`resetall
