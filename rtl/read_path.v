// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// read_path: from the medium, for commands that hold their lock: Reads to staging buffers, compares to the comparator.
//
// Functions take turns of a granule (a Read's is what goes into one host page, a compare's is 4 KiB). A granule takes a
// staging buffer, is read by one AXI burst (two where it crosses 4 KiB of the medium) whose ID is the buffer's number, and
// a Read's is told to the sender at once, in order. R is always taken. A Read's lock goes with its last R; a compare's
// outcome is told two cycles after it.

`resetall
`timescale 1ns / 1ps
`default_nettype none

module read_path #(
    // Functions, and width of a function's number
    parameter FUNCTIONS = 7,
    parameter FUNCTION_WIDTH = 3,
    // Width of a context's number (derived)
    parameter CONTEXT_WIDTH = FUNCTION_WIDTH + 5,
    // Width of a byte address of the medium, and of an AXI ID (staging buffers, log2)
    parameter ADDRESS_WIDTH = 40,
    parameter ID_WIDTH = 3,
    // Read bursts under way at once
    parameter MOST_BURSTS = 4
) (
    input wire clk,
    input wire rst,

    // A command has its lock
    input wire                     start_valid,
    input wire [CONTEXT_WIDTH-1:0] start_context,
    input wire [              5:0] start_lock_row,

    // The context table
    output wire [CONTEXT_WIDTH-1:0] look_context,
    input  wire [ADDRESS_WIDTH-1:0] look_address,
    input  wire [             17:0] look_length,
    input  wire [            127:0] look_prps,
    input  wire                     look_compares,

    // AXI AR and R
    output wire [     ID_WIDTH-1:0] m_axi_arid,
    output wire [ADDRESS_WIDTH-1:0] m_axi_araddr,
    output wire [              7:0] m_axi_arlen,
    output wire                     m_axi_arvalid,
    input  wire                     m_axi_arready,
    input  wire [     ID_WIDTH-1:0] m_axi_rid,
    input  wire                     m_axi_rvalid,
    input  wire [            255:0] m_axi_rdata,

    // What a compare's beat of R is compared with, in the cycle after: {context without the admin bit, half, word}
    output wire [CONTEXT_WIDTH+7:0] compare_word,
    input  wire [            255:0] compare_data,
    output reg                      compared_valid,
    output reg  [CONTEXT_WIDTH-1:0] compared_context,
    output reg                      compared_differs,

    // Where R's beat goes in the staging memory: {buffer, word}
    output wire [ID_WIDTH+7:0] store_word,
    // Words that each buffer has, side by side
    output wire [(8<<ID_WIDTH)-1:0] words,

    // A granule for the sender
    output wire                     burst_valid,
    output wire [CONTEXT_WIDTH-1:0] burst_context,
    output wire [     ID_WIDTH-1:0] burst_buffer,
    output wire [             63:0] burst_address,
    output wire [             12:0] burst_length,
    output wire [             11:0] burst_offset,
    output wire                     burst_last,
    // It has left: its buffer is free
    input  wire                     sent_valid,
    input  wire [     ID_WIDTH-1:0] sent_buffer,

    // The lock's row is given up
    output reg       release_valid,
    output reg [5:0] release_row
);

  localparam BUFFERS = 1 << ID_WIDTH;
  localparam CONTEXTS = 1 << CONTEXT_WIDTH;

  // Whose turn it is
  wire [FUNCTIONS-1:0] waits;
  wire [FUNCTION_WIDTH-1:0] chosen_function;
  wire any, pick;
  reg [FUNCTION_WIDTH-1:0] from_reg;
  reg [17:0] issued_reg[0:FUNCTIONS-1];
  wire [CONTEXT_WIDTH-1:0] context_number;
  round_robin #(
      .COUNT(FUNCTIONS),
      .WIDTH(FUNCTION_WIDTH)
  ) turn (
      .request(waits),
      .from(from_reg),
      .chosen(chosen_function),
      .valid(any)
  );
  wire last_granule;
  function_fifos #(
      .FUNCTIONS(FUNCTIONS),
      .FUNCTION_WIDTH(FUNCTION_WIDTH),
      .WIDTH(CONTEXT_WIDTH)
  ) commands (
      .clk(clk),
      .rst(rst),
      .push_valid(start_valid),
      .push_entry(start_context),
      .waits(waits),
      .look_function(chosen_function),
      .look_entry(context_number),
      .pop_valid(pick && last_granule)
  );
  assign look_context = context_number;

  // The granule: up to the end of the host's page
  wire [17:0] issued = issued_reg[chosen_function];
  wire first_page = issued == 18'd0;
  wire [63:0] host_address = first_page ? look_prps[63:0] : look_prps[127:64];
  // A compare's granules begin at multiples of 4 KiB of the command.
  wire [12:0] page_room = look_compares ? 13'd4096 : 13'd4096 - {1'b0, host_address[11:0]};
  wire [17:0] left = look_length - issued;
  wire [12:0] length = left < {5'd0, page_room} ? left[12:0] : page_room;
  assign last_granule = left <= {5'd0, page_room};
  wire [ADDRESS_WIDTH-1:0] medium_at = look_address + {{(ADDRESS_WIDTH - 18) {1'b0}}, issued};
  // Words of it, and those before the next 4 KiB of the medium
  wire [12:0] span = {8'd0, medium_at[4:0]} + length + 13'd31;
  wire [7:0] total_words = span[12:5];
  wire [7:0] page_words = 8'd128 - {1'b0, medium_at[11:5]};
  wire crosses = total_words > page_words;
  wire [7:0] first_words = crosses ? page_words : total_words;

  reg [BUFFERS-1:0] used_reg;
  reg [3:0] bursts_reg;
  reg [7:0] count_reg[0:BUFFERS-1];
  reg [7:0] total_reg[0:BUFFERS-1];
  reg [CONTEXT_WIDTH-1:0] owner_reg[0:BUFFERS-1];
  reg [BUFFERS-1:0] compares_reg;
  reg [BUFFERS-1:0] second_page_reg;
  // Of each command: granules under way, all asked for, its lock's row
  reg [5:0] granules_reg[0:CONTEXTS-1];
  reg all_reg[0:CONTEXTS-1];
  reg [5:0] lock_reg[0:CONTEXTS-1];
  reg [CONTEXTS-1:0] differs_reg;

  integer b;
  reg [ID_WIDTH-1:0] free_buffer;
  always @* begin
    free_buffer = {ID_WIDTH{1'b0}};
    for (b = BUFFERS - 1; b >= 0; b = b - 1) if (!used_reg[b]) free_buffer = b[ID_WIDTH-1:0];
  end

  reg ar_valid_reg, more_valid_reg;
  reg [ID_WIDTH-1:0] ar_id_reg;
  reg [ADDRESS_WIDTH-1:0] ar_address_reg;
  reg [7:0] ar_words_reg, more_words_reg;
  wire ar_free = !ar_valid_reg || m_axi_arready;
  assign pick = any && ar_free && !more_valid_reg && !(&used_reg) && bursts_reg < MOST_BURSTS[3:0];

  wire [7:0] ar_last = ar_words_reg - 8'd1;
  assign m_axi_arid = ar_id_reg;
  assign m_axi_araddr = ar_address_reg;
  assign m_axi_arlen = ar_last;
  assign m_axi_arvalid = ar_valid_reg;

  assign burst_valid = pick && !look_compares;
  assign burst_context = context_number;
  assign burst_buffer = free_buffer;
  assign burst_address = host_address;
  assign burst_length = length;
  assign burst_offset = {7'd0, medium_at[4:0]};
  assign burst_last = last_granule;

  // R
  wire [7:0] count = count_reg[m_axi_rid];
  assign store_word = {m_axi_rid, count};
  wire granule_ends = m_axi_rvalid && count + 8'd1 == total_reg[m_axi_rid];
  wire [CONTEXT_WIDTH-1:0] ending = owner_reg[m_axi_rid];
  wire same = pick && ending == context_number;
  wire command_ends = granule_ends && granules_reg[ending] == 6'd1 && all_reg[ending] && !same;

  // The comparator
  assign compare_word = {ending[CONTEXT_WIDTH-1:5], ending[3:0], 1'b0, second_page_reg[m_axi_rid], count[6:0]};
  reg beat_valid_reg, beat_ends_reg;
  reg [255:0] beat_data_reg;
  reg [CONTEXT_WIDTH-1:0] beat_context_reg;
  wire mismatch = beat_valid_reg && beat_data_reg != compare_data;
  genvar g;
  generate
    for (g = 0; g < BUFFERS; g = g + 1) begin : gen_words
      assign words[8*g+:8] = count_reg[g];
    end
  endgenerate

  integer f;
  always @(posedge clk) begin
    release_valid <= 1'b0;
    if (m_axi_arready) ar_valid_reg <= 1'b0;
    if (start_valid) begin
      granules_reg[start_context] <= 6'd0;
      all_reg[start_context] <= 1'b0;
      differs_reg[start_context] <= 1'b0;
      lock_reg[start_context] <= start_lock_row;
    end

    if (pick) begin
      ar_valid_reg <= 1'b1;
      ar_id_reg <= free_buffer;
      ar_address_reg <= {medium_at[ADDRESS_WIDTH-1:5], 5'd0};
      ar_words_reg <= first_words;
      more_valid_reg <= crosses;
      more_words_reg <= total_words - page_words;
      used_reg[free_buffer] <= 1'b1;
      count_reg[free_buffer] <= 8'd0;
      total_reg[free_buffer] <= total_words;
      owner_reg[free_buffer] <= context_number;
      compares_reg[free_buffer] <= look_compares;
      second_page_reg[free_buffer] <= issued[12];
      all_reg[context_number] <= last_granule;
      granules_reg[context_number] <= granules_reg[context_number] + 6'd1;
      issued_reg[chosen_function] <= last_granule ? 18'd0 : issued + {5'd0, length};
      from_reg <= chosen_function == FUNCTIONS[FUNCTION_WIDTH-1:0] - 1'b1 ? {FUNCTION_WIDTH{1'b0}} : chosen_function + 1'b1;
    end else if (more_valid_reg && ar_free) begin
      ar_valid_reg   <= 1'b1;
      ar_address_reg <= {ar_address_reg[ADDRESS_WIDTH-1:12] + 1'b1, 12'd0};
      ar_words_reg   <= more_words_reg;
      more_valid_reg <= 1'b0;
    end

    if (m_axi_rvalid) count_reg[m_axi_rid] <= count + 8'd1;
    if (granule_ends) begin
      if (!same) granules_reg[ending] <= granules_reg[ending] - 6'd1;
      else granules_reg[ending] <= granules_reg[ending];
      if (compares_reg[m_axi_rid]) used_reg[m_axi_rid] <= 1'b0;
      release_valid <= command_ends && !compares_reg[m_axi_rid];
      release_row   <= lock_reg[ending];
    end
    beat_valid_reg <= m_axi_rvalid && compares_reg[m_axi_rid];
    beat_ends_reg <= command_ends && compares_reg[m_axi_rid];
    beat_data_reg <= m_axi_rdata;
    beat_context_reg <= ending;
    if (mismatch) differs_reg[beat_context_reg] <= 1'b1;
    compared_valid <= beat_ends_reg;
    compared_context <= beat_context_reg;
    compared_differs <= mismatch || differs_reg[beat_context_reg];
    bursts_reg <= bursts_reg + {3'd0, pick} - {3'd0, granule_ends};
    if (sent_valid) used_reg[sent_buffer] <= 1'b0;

    if (rst) begin
      ar_valid_reg <= 1'b0;
      more_valid_reg <= 1'b0;
      used_reg <= {BUFFERS{1'b0}};
      bursts_reg <= 4'd0;
      release_valid <= 1'b0;
      beat_valid_reg <= 1'b0;
      beat_ends_reg <= 1'b0;
      compared_valid <= 1'b0;
      from_reg <= {FUNCTION_WIDTH{1'b0}};
      for (f = 0; f < FUNCTIONS; f = f + 1) issued_reg[f] <= 18'd0;
    end
  end

endmodule

`resetall
