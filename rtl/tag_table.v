// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// tag_table: host reads under way, and the receiver's completion space that each has reserved.
//
// A read takes the lowest free tag when its bytes, and a header for every piece between read completion boundaries, fit
// into what is left (a read larger than all of it goes alone). Space comes back as data come, the tag when the read ends.

`resetall
`timescale 1ns / 1ps
`default_nettype none

module tag_table #(
    // Tags: 8 to 64
    parameter TAGS = 64,
    // Functions, and width of a function's number
    parameter FUNCTIONS = 7,
    parameter FUNCTION_WIDTH = 3,
    // Width of what its user keeps with a read
    parameter PURPOSE_WIDTH = 24
) (
    input wire clk,
    input wire rst,

    input wire [16:0] space_bytes,
    input wire [ 8:0] space_headers,
    // Read completion boundary: 128 bytes, else 64
    input wire        boundary_128,

    // Takes a tag for a read; granted in the same cycle
    input  wire                      take_valid,
    output wire                      take_ready,
    input  wire [FUNCTION_WIDTH-1:0] take_function,
    input  wire [              11:0] take_address,
    input  wire [              12:0] take_bytes,
    input  wire [ PURPOSE_WIDTH-1:0] take_purpose,
    output wire [               5:0] take_tag,

    // Looks a tag up
    input  wire [              5:0] look_tag,
    output wire                     look_used,
    output wire [PURPOSE_WIDTH-1:0] look_purpose,
    output wire [             10:0] look_remaining_dwords,
    output wire [             10:0] look_received_dwords,

    // Data of the tag looked up have come; with `come_last` the read has ended
    input wire        come_valid,
    input wire [10:0] come_dwords,
    input wire        come_last,

    // A read that was not sent: its tag is free again
    input  wire                     unsent_valid,
    input  wire [              5:0] unsent_tag,
    output wire [PURPOSE_WIDTH-1:0] unsent_purpose,

    // Every read is forgotten
    input wire forget,

    // Functions that have reads under way
    output reg [FUNCTIONS-1:0] busy
);

  reg [TAGS-1:0] used_reg;
  reg [PURPOSE_WIDTH-1:0] purpose_reg[0:TAGS-1];
  reg [FUNCTION_WIDTH-1:0] function_reg[0:TAGS-1];
  reg [10:0] remaining_reg[0:TAGS-1];
  reg [10:0] received_reg[0:TAGS-1];
  reg [7:0] headers_reg[0:TAGS-1];
  // What is taken of the receiver's space
  reg [17:0] taken_bytes_reg;
  reg [9:0] taken_headers_reg;

  integer t;
  reg [5:0] free_tag;
  always @* begin
    free_tag = 6'd0;
    for (t = TAGS - 1; t >= 0; t = t - 1) if (!used_reg[t]) free_tag = t[5:0];
    busy = {FUNCTIONS{1'b0}};
    for (t = 0; t < TAGS; t = t + 1) if (used_reg[t]) busy[function_reg[t]] = 1'b1;
  end

  // Pieces between boundaries
  wire [13:0] last_byte = {2'b00, take_address} + {1'b0, take_bytes} - 14'd1;
  wire [7:0] pieces_64 = last_byte[13:6] - {2'b00, take_address[11:6]} + 8'd1;
  wire [7:0] pieces_128 = {1'b0, last_byte[13:7]} - {3'b000, take_address[11:7]} + 8'd1;
  wire [7:0] take_headers = boundary_128 ? pieces_128 : pieces_64;
  wire fits = taken_bytes_reg + {5'd0, take_bytes} <= {1'b0, space_bytes} &&
      taken_headers_reg + {2'd0, take_headers} <= {1'b0, space_headers};
  assign take_ready = !(&used_reg) && (fits || used_reg == {TAGS{1'b0}});
  assign take_tag   = free_tag;
  wire take = take_valid && take_ready;

  assign look_used = {26'd0, look_tag} < TAGS && used_reg[look_tag];
  assign look_purpose = purpose_reg[look_tag];
  assign look_remaining_dwords = remaining_reg[look_tag];
  assign look_received_dwords = received_reg[look_tag];

  // What comes back
  wire come = come_valid && look_used;
  wire [10:0] come_part = come_last || come_dwords > remaining_reg[look_tag] ? remaining_reg[look_tag] : come_dwords;
  wire [10:0] left = remaining_reg[look_tag] - come_part;
  wire [7:0] left_64 = left[10:4] + {7'd0, |left[3:0]};
  wire [7:0] left_128 = {2'b00, left[10:5]} + {7'd0, |left[4:0]};
  wire [7:0] left_pieces = boundary_128 ? left_128 : left_64;
  wire [7:0] headers_after = headers_reg[look_tag] < left_pieces ? headers_reg[look_tag] : left_pieces;
  wire [7:0] headers_back = headers_reg[look_tag] - headers_after;
  assign unsent_purpose = purpose_reg[unsent_tag];
  wire unsent = unsent_valid && used_reg[unsent_tag];

  always @(posedge clk) begin
    taken_bytes_reg <= taken_bytes_reg + (take ? {5'd0, take_bytes} : 18'd0) - (come ? {5'd0, come_part, 2'd0} : 18'd0) -
        (unsent ? {5'd0, remaining_reg[unsent_tag], 2'd0} : 18'd0);
    taken_headers_reg <= taken_headers_reg + (take ? {2'd0, take_headers} : 10'd0) - (come ? {2'd0, headers_back} : 10'd0) -
        (unsent ? {2'd0, headers_reg[unsent_tag]} : 10'd0);
    if (come) begin
      remaining_reg[look_tag] <= left;
      received_reg[look_tag]  <= received_reg[look_tag] + come_part;
      headers_reg[look_tag]   <= headers_after;
      if (come_last) used_reg[look_tag] <= 1'b0;
    end
    if (unsent) used_reg[unsent_tag] <= 1'b0;
    if (take) begin
      used_reg[free_tag] <= 1'b1;
      purpose_reg[free_tag] <= take_purpose;
      function_reg[free_tag] <= take_function;
      remaining_reg[free_tag] <= take_bytes[12:2];
      received_reg[free_tag] <= 11'd0;
      headers_reg[free_tag] <= take_headers;
    end
    if (rst || forget) begin
      used_reg <= {TAGS{1'b0}};
      taken_bytes_reg <= 18'd0;
      taken_headers_reg <= 10'd0;
    end
  end

  generate
    if (TAGS < 8 || TAGS > 64) begin : gen_tags_check
      initial $error("TAGS must be 8 to 64, is %0d (instance %m)", TAGS);
    end
  endgenerate

endmodule

`resetall
