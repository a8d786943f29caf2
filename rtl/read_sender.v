// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// read_sender: bursts of data to hosts, as memory write TLPs of at most MPS bytes, in the order they were handed in.
//
// A burst lies in a staging buffer, or is the page that the admin engine answers with, from byte `offset` on, and goes to
// one page of the host. A TLP begins when all of its words are there, so that it never pauses for want of data; its first
// beat stands on the port two cycles later, and one beat a cycle passes while nobody stalls. A burst whose command is dead
// ends before its next TLP, but not before all of its words have come: then its buffer is free.

`resetall
`timescale 1ns / 1ps
`default_nettype none

module read_sender #(
    // Width of a function's number, and of a context's
    parameter FUNCTION_WIDTH = 3,
    parameter CONTEXT_WIDTH = FUNCTION_WIDTH + 5,
    // Staging buffers, log2
    parameter ID_WIDTH = 3
) (
    input wire clk,
    input wire rst,

    // 0 is 128 bytes, each step doubles
    input wire [2:0] max_payload,

    // A burst; there is always room for as many as there are staging buffers
    input  wire                     burst_valid,
    input  wire                     burst_admin,
    input  wire [CONTEXT_WIDTH-1:0] burst_context,
    input  wire [     ID_WIDTH-1:0] burst_buffer,
    input  wire [             63:0] burst_address,
    input  wire [             12:0] burst_length,
    input  wire [             11:0] burst_offset,
    input  wire                     burst_last,
    // There is room for a burst of the admin engine, too
    output wire                     admin_room,

    // What is being sent, and whether it is of no use any more
    output wire [CONTEXT_WIDTH-1:0] sending_context,
    input  wire                     sending_dead,

    // Staging memory: written by R; a beat in error is none
    input wire                     store_valid,
    input wire                     store_good,
    input wire [     ID_WIDTH+7:0] store_word,
    input wire [            255:0] store_data,
    input wire [(8<<ID_WIDTH)-1:0] words,

    // The admin page: words `page_word` - 1 (0 before the first) and `page_word`, in the cycle after one with `page_enable`
    // and until the next
    output wire                     page_enable,
    output wire [CONTEXT_WIDTH-1:0] page_context,
    output wire [              7:0] page_word,
    input  wire [            511:0] page_data,

    // Data TLPs
    output wire                      data_valid,
    input  wire                      data_ready,
    output wire [FUNCTION_WIDTH-1:0] data_function,
    output wire [             255:0] data_beat,
    output wire [               7:0] data_keep,
    output wire                      data_first,
    output wire                      data_last,
    output wire                      data_one_dword,

    // The last beat of a burst has been handed over, or what was left of it dropped; it was the last one of its command,
    // and not dropped
    output reg                     sent_valid,
    output reg                     sent_admin,
    output reg                     sent_dropped,
    output reg [     ID_WIDTH-1:0] sent_buffer,
    output reg                     sent_last,
    output reg [CONTEXT_WIDTH-1:0] sent_context
);

  localparam DEPTH_WIDTH = ID_WIDTH + 1;
  localparam WIDTH = 1 + CONTEXT_WIDTH + ID_WIDTH + 64 + 13 + 12 + 1;
  localparam [7:0] FIRST_VF = 8'd64;

  // Bursts that wait
  reg [WIDTH-1:0] fifo_reg[0:(1<<DEPTH_WIDTH)-1];
  reg [DEPTH_WIDTH:0] write_reg, read_reg;
  wire waiting = write_reg != read_reg;
  wire [DEPTH_WIDTH:0] count = write_reg - read_reg;
  assign admin_room = count < 1 << ID_WIDTH;
  wire [WIDTH-1:0] next = fifo_reg[read_reg[DEPTH_WIDTH-1:0]];

  // The burst that is being cut up: dwords left, dword within the buffer, beat of the TLP
  reg active_reg, admin_reg, burst_last_reg;
  reg [CONTEXT_WIDTH-1:0] context_reg;
  reg [ID_WIDTH-1:0] buffer_reg;
  reg [63:0] address_reg;
  reg [10:0] left_reg;
  reg [10:0] at_reg;
  reg [10:0] tlp_left_reg;
  reg first_reg;
  // Dwords of the TLP under way, for the address of the next
  reg [10:0] held_reg;

  wire [10:0] payload = 11'd32 << max_payload;
  wire [10:0] tlp_dwords = left_reg < payload ? left_reg : payload;
  // Dwords of this beat: the first one of a TLP has four, behind the descriptor
  wire [10:0] tlp_left = first_reg ? tlp_dwords : tlp_left_reg;
  wire [10:0] room = first_reg ? 11'd4 : 11'd8;
  wire [10:0] take = tlp_left < room ? tlp_left : room;
  wire tlp_ends = tlp_left <= room;
  wire burst_ends = left_reg == take;
  wire [10:0] tlp_dwords_held = first_reg ? tlp_dwords : held_reg;

  // Its words: dword `at` stands in lane 4 of a first beat, else in lane 0. Counted from a word before the buffer.
  wire [11:0] start = {1'b0, at_reg} + (first_reg ? 12'd4 : 12'd8);
  wire [7:0] word = start[10:3];
  wire [2:0] shift = start[2:0];

  // Words that are there; with the one that is coming, when the TLP's first beat is not the one to need it; and those
  // that the TLP, and the whole burst, needs
  wire [7:0] stored = words[8*buffer_reg+:8];
  wire comes = store_valid && store_good && store_word[ID_WIDTH+7-:ID_WIDTH] == buffer_reg && |tlp_dwords[10:4];
  wire [7:0] present = stored + {7'd0, comes};
  wire [10:0] tlp_words_end = at_reg + tlp_dwords + 11'd7;
  wire [10:0] burst_words_end = at_reg + left_reg + 11'd7;
  wire drop = first_reg && !admin_reg && sending_dead;
  wire there = admin_reg || !first_reg || present >= tlp_words_end[10:3];
  wire all_there = stored >= burst_words_end[10:3];
  assign sending_context = context_reg;

  // The stage behind the memory
  reg b_valid_reg, b_drop_reg, b_first_reg, b_last_reg, b_burst_ends_reg, b_burst_last_reg, b_admin_reg, b_odd_reg;
  reg [10:0] b_take_reg, b_dwords_reg;
  reg [2:0] b_shift_reg;
  reg [63:0] b_address_reg;
  reg [CONTEXT_WIDTH-1:0] b_context_reg;
  reg [ID_WIDTH-1:0] b_buffer_reg;
  wire b_free = !b_valid_reg || b_drop_reg || data_ready;
  wire issue = active_reg && !drop && there && b_free;
  wire drops = active_reg && drop && all_there && b_free;
  wire load = waiting && (!active_reg || drops || (issue && burst_ends));

  // Staging memory in two banks, so that two words in a row are read at once. Word w of a buffer is w + 1 here. A page
  // that does not begin at a word lies in 129 of them.
  reg [255:0] even_memory[0:(128<<ID_WIDTH)-1];
  reg [255:0] odd_memory[0:(64<<ID_WIDTH)-1];
  reg [255:0] even_reg, odd_reg;
  wire [7:0] low_word = word - 8'd1;
  wire [6:0] even_place = low_word[7:1] + {6'd0, low_word[0]};
  wire [5:0] odd_place = low_word[6:1];
  always @(posedge clk) begin
    if (store_valid && !store_word[0]) even_memory[store_word[ID_WIDTH+7:1]] <= store_data;
    if (store_valid && store_word[0]) odd_memory[{store_word[ID_WIDTH+7:8], store_word[6:1]}] <= store_data;
    if (issue) begin
      even_reg <= even_memory[{buffer_reg, even_place}];
      odd_reg  <= odd_memory[{buffer_reg, odd_place}];
    end
  end
  assign page_enable = issue;
  assign page_context = context_reg;
  assign page_word = word;

  wire [511:0] both = b_admin_reg ? page_data : (b_odd_reg ? {even_reg, odd_reg} : {odd_reg, even_reg});
  wire [511:0] shifted = both >> {b_shift_reg, 5'd0};
  wire [7:0] number = {{(8 - FUNCTION_WIDTH) {1'b0}}, b_context_reg[CONTEXT_WIDTH-1-:FUNCTION_WIDTH]};
  wire [7:0] link_number = number == 8'd0 ? 8'd0 : FIRST_VF - 8'd1 + number;
  wire [127:0] descriptor = {
    8'd0, 16'd0, 8'd0, 8'd0, link_number, 1'b0, 4'd1, b_dwords_reg, b_address_reg[63:2], 2'b00
  };

  assign data_valid = b_valid_reg && !b_drop_reg;
  assign data_function = b_context_reg[CONTEXT_WIDTH-1-:FUNCTION_WIDTH];
  assign data_beat = b_first_reg ? {shifted[255:128], descriptor} : shifted[255:0];
  wire [3:0] lanes = b_first_reg ? b_take_reg[3:0] + 4'd4 : b_take_reg[3:0];
  assign data_keep = ~(8'hff << lanes);
  assign data_first = b_first_reg;
  assign data_last = b_last_reg;
  assign data_one_dword = b_dwords_reg == 11'd1;

  always @(posedge clk) begin
    if (burst_valid) begin
      fifo_reg[write_reg[DEPTH_WIDTH-1:0]] <= {
        burst_admin, burst_context, burst_buffer, burst_address, burst_length, burst_offset, burst_last
      };
      write_reg <= write_reg + 1'b1;
    end

    if (issue) begin
      at_reg <= at_reg + take;
      left_reg <= left_reg - take;
      tlp_left_reg <= tlp_left - take;
      first_reg <= tlp_ends;
      if (tlp_ends) address_reg <= address_reg + {51'd0, tlp_dwords_held, 2'd0};
      if (burst_ends) active_reg <= 1'b0;
    end
    if (drops) active_reg <= 1'b0;
    if (issue && first_reg) held_reg <= tlp_dwords;
    if (load) begin
      active_reg <= 1'b1;
      first_reg <= 1'b1;
      read_reg <= read_reg + 1'b1;
      admin_reg <= next[WIDTH-1];
      context_reg <= next[WIDTH-2-:CONTEXT_WIDTH];
      buffer_reg <= next[90+:ID_WIDTH];
      address_reg <= next[89:26];
      left_reg <= next[25:15];
      at_reg <= {1'b0, next[12:3]};
      burst_last_reg <= next[0];
    end

    if (b_free) b_valid_reg <= issue || drops;
    if (issue || drops) begin
      b_drop_reg <= drops;
      b_first_reg <= first_reg;
      b_last_reg <= tlp_ends;
      b_burst_ends_reg <= burst_ends || drops;
      b_burst_last_reg <= burst_last_reg;
      b_admin_reg <= admin_reg;
      b_odd_reg <= low_word[0];
      b_take_reg <= take;
      b_dwords_reg <= tlp_dwords;
      b_shift_reg <= shift;
      b_address_reg <= address_reg;
      b_context_reg <= context_reg;
      b_buffer_reg <= buffer_reg;
    end

    sent_valid <= b_valid_reg && (data_ready || b_drop_reg) && b_burst_ends_reg;
    sent_admin <= b_admin_reg;
    sent_dropped <= b_drop_reg;
    sent_buffer <= b_buffer_reg;
    sent_last <= b_burst_last_reg && !b_drop_reg;
    sent_context <= b_context_reg;

    if (rst) begin
      write_reg <= {(DEPTH_WIDTH + 1) {1'b0}};
      read_reg <= {(DEPTH_WIDTH + 1) {1'b0}};
      active_reg <= 1'b0;
      b_valid_reg <= 1'b0;
      sent_valid <= 1'b0;
    end
  end

endmodule

`resetall
