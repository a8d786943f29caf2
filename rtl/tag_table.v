// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// tag_table: host reads under way, and the receiver's completion space that each has reserved.
//
// A read takes the lowest free tag when its bytes, and a header for every piece between read completion boundaries, fit
// into what is left (a read larger than all of it goes alone). Space comes back as data come, the tag when the read ends.
//
// A read that has not ended READ_TIMEOUT_CYCLES after it took its tag is given up, at most 200 cycles late (one
// tag is looked at a cycle): it is named on `late`, nobody waits for it any more, and its space comes back, or a few
// lost reads would leave no room for others. Its tag, and that of a read that has failed before its end, stays in
// quarantine until the read ends: what it was for reads as 0, so data that come late are nobody's.

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
    parameter PURPOSE_WIDTH = 24,
    // Cycles after which a read is given up: 1 to 2^30
    parameter READ_TIMEOUT_CYCLES = 6250000
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

    // A read has failed and not ended
    input wire       quarantine_valid,
    input wire [5:0] quarantine_tag,

    // A read that was not sent: its tag is free again
    input  wire                     unsent_valid,
    input  wire [              5:0] unsent_tag,
    output wire [PURPOSE_WIDTH-1:0] unsent_purpose,

    // A read that has taken too long, until it is taken note of; not while data of its tag are coming or one
    // is not sent
    output wire                     late_valid,
    input  wire                     late_ready,
    output wire [              5:0] late_tag,
    output wire [PURPOSE_WIDTH-1:0] late_purpose,

    // Every read is forgotten
    input wire forget,

    // Functions that have reads under way which are not given up
    output reg [FUNCTIONS-1:0] busy
);

  // Time is counted in rounds of 64 cycles. Between two of them at least so many must lie:
  localparam integer TIMEOUT_ROUNDS = (READ_TIMEOUT_CYCLES + 63) / 64 + 1;
  localparam ROUND_WIDTH = 25;
  localparam [ROUND_WIDTH-1:0] LATE_ROUNDS = TIMEOUT_ROUNDS[ROUND_WIDTH-1:0];

  reg [63:0] used_reg, quarantined_reg, given_up_reg;
  reg [PURPOSE_WIDTH-1:0] purpose_memory[0:63];
  reg [FUNCTION_WIDTH-1:0] function_memory[0:63];
  reg [ROUND_WIDTH-1:0] round_memory[0:63];
  reg [10:0] asked_memory[0:63];
  reg [10:0] remaining_memory[0:63];
  reg [7:0] headers_memory[0:63];
  // What is taken of the receiver's space
  reg [17:0] taken_bytes_reg;
  reg [9:0] taken_headers_reg;

  // The lowest free tag. Tags beyond the last one are in use for ever.
  wire [5:0] free_tag;
  lowest_bit #(
      .COUNT(64),
      .WIDTH(6)
  ) free_tags (
      .bits  (~used_reg),
      .number(free_tag)
  );
  localparam [63:0] NONE_USED = TAGS >= 64 ? 64'd0 : ~64'd0 << TAGS;

  // Pieces between boundaries
  wire [13:0] last_byte = {2'b00, take_address} + {1'b0, take_bytes} - 14'd1;
  wire [7:0] pieces_64 = last_byte[13:6] - {2'b00, take_address[11:6]} + 8'd1;
  wire [7:0] pieces_128 = {1'b0, last_byte[13:7]} - {3'b000, take_address[11:7]} + 8'd1;
  wire [7:0] take_headers = boundary_128 ? pieces_128 : pieces_64;
  wire fits = taken_bytes_reg + {5'd0, take_bytes} <= {1'b0, space_bytes} &&
      taken_headers_reg + {2'd0, take_headers} <= {1'b0, space_headers};
  assign take_ready = !(&used_reg) && (fits || used_reg == NONE_USED);
  assign take_tag   = free_tag;
  wire take = take_valid && take_ready;

  assign look_used = used_reg[look_tag] && {26'd0, look_tag} < TAGS;
  assign look_purpose = quarantined_reg[look_tag] ? {PURPOSE_WIDTH{1'b0}} : purpose_memory[look_tag];
  assign look_remaining_dwords = remaining_memory[look_tag];
  assign look_received_dwords = asked_memory[look_tag] - remaining_memory[look_tag];

  // What comes back
  wire come = come_valid && look_used;
  wire [10:0] remaining = remaining_memory[look_tag];
  wire [10:0] come_part = come_last || come_dwords > remaining ? remaining : come_dwords;
  wire [10:0] left = remaining - come_part;
  wire [7:0] left_64 = left[10:4] + {7'd0, |left[3:0]};
  wire [7:0] left_128 = {2'b00, left[10:5]} + {7'd0, |left[4:0]};
  wire [7:0] left_pieces = boundary_128 ? left_128 : left_64;
  wire [7:0] headers = headers_memory[look_tag];
  wire [7:0] headers_after = headers < left_pieces ? headers : left_pieces;
  wire [7:0] headers_back = headers - headers_after;
  // A read that was given up holds no space
  wire come_holds = come && !given_up_reg[look_tag];
  wire unsent = unsent_valid && used_reg[unsent_tag];
  assign unsent_purpose = quarantined_reg[unsent_tag] ? {PURPOSE_WIDTH{1'b0}} : purpose_memory[unsent_tag];

  // Time: the tag to look at is the round's position
  reg [5:0] scan_reg;
  reg [ROUND_WIDTH-1:0] round_reg;
  wire [ROUND_WIDTH-1:0] age = round_reg - round_memory[scan_reg];
  wire overdue = used_reg[scan_reg] && !given_up_reg[scan_reg] && {26'd0, scan_reg} < TAGS && age >= LATE_ROUNDS;
  reg late_reg;
  reg [5:0] late_tag_reg;
  assign late_valid = late_reg && used_reg[late_tag_reg] && !unsent;
  assign late_tag = late_tag_reg;
  assign late_purpose = quarantined_reg[late_tag_reg] ? {PURPOSE_WIDTH{1'b0}} : purpose_memory[late_tag_reg];
  wire give_up = late_valid && late_ready;

  // Reads of each function that it waits for
  reg [6:0] count_reg[0:FUNCTIONS-1];
  wire ended = come_holds && come_last;
  wire undone = unsent && !given_up_reg[unsent_tag];
  // What all of its space comes back of: one a cycle
  wire [5:0] whole_tag = unsent ? unsent_tag : late_tag_reg;
  wire whole = undone || give_up;
  wire [FUNCTION_WIDTH-1:0] ended_function = function_memory[look_tag];
  wire [FUNCTION_WIDTH-1:0] undone_function = function_memory[unsent_tag];
  wire [FUNCTION_WIDTH-1:0] late_function = function_memory[late_tag_reg];
  integer f;
  always @* for (f = 0; f < FUNCTIONS; f = f + 1) busy[f] = count_reg[f] != 7'd0;

  always @(posedge clk) begin
    if (take || come_holds || whole) begin
      taken_bytes_reg <= taken_bytes_reg + (take ? {5'd0, take_bytes} : 18'd0) -
          (come_holds ? {5'd0, come_part, 2'd0} : 18'd0) - (whole ? {5'd0, remaining_memory[whole_tag], 2'd0} : 18'd0);
      taken_headers_reg <= taken_headers_reg + (take ? {2'd0, take_headers} : 10'd0) -
          (come_holds ? {2'd0, headers_back} : 10'd0) - (whole ? {2'd0, headers_memory[whole_tag]} : 10'd0);
    end
    if (take || ended || whole)
      for (f = 0; f < FUNCTIONS; f = f + 1)
      count_reg[f] <= count_reg[f] + {6'd0, take && take_function == f[FUNCTION_WIDTH-1:0]} -
            {6'd0, ended && ended_function == f[FUNCTION_WIDTH-1:0]} -
            {6'd0, undone && undone_function == f[FUNCTION_WIDTH-1:0]} -
            {6'd0, give_up && late_function == f[FUNCTION_WIDTH-1:0]};

    if (come) begin
      remaining_memory[look_tag] <= left;
      headers_memory[look_tag]   <= headers_after;
      if (come_last) used_reg[look_tag] <= 1'b0;
    end
    if (unsent) used_reg[unsent_tag] <= 1'b0;
    if (quarantine_valid) quarantined_reg[quarantine_tag] <= 1'b1;
    if (give_up) begin
      quarantined_reg[late_tag_reg] <= 1'b1;
      given_up_reg[late_tag_reg] <= 1'b1;
    end
    if (take) begin
      used_reg[free_tag] <= 1'b1;
      quarantined_reg[free_tag] <= 1'b0;
      given_up_reg[free_tag] <= 1'b0;
      purpose_memory[free_tag] <= take_purpose;
      function_memory[free_tag] <= take_function;
      round_memory[free_tag] <= round_reg;
      asked_memory[free_tag] <= take_bytes[12:2];
      remaining_memory[free_tag] <= take_bytes[12:2];
      headers_memory[free_tag] <= take_headers;
    end

    scan_reg <= scan_reg + 6'd1;
    if (&scan_reg) round_reg <= round_reg + 1'b1;
    // One at a time. What ends while it waits here is gone before its tag can be in use again.
    if (!late_reg) begin
      late_reg <= overdue;
      late_tag_reg <= scan_reg;
    end else if (!late_valid || late_ready) late_reg <= 1'b0;

    if (rst || forget) begin
      used_reg <= NONE_USED;
      taken_bytes_reg <= 18'd0;
      taken_headers_reg <= 10'd0;
      late_reg <= 1'b0;
      for (f = 0; f < FUNCTIONS; f = f + 1) count_reg[f] <= 7'd0;
    end
    if (rst) begin
      scan_reg  <= 6'd0;
      round_reg <= {ROUND_WIDTH{1'b0}};
    end
  end

  generate
    if (TAGS < 8 || TAGS > 64) begin : gen_tags_check
      TAGS_must_be_8_to_64 check ();
    end
    if (READ_TIMEOUT_CYCLES < 1 || READ_TIMEOUT_CYCLES > (1 << 30)) begin : gen_timeout_check
      READ_TIMEOUT_CYCLES_must_be_1_to_2_to_the_30th check ();
    end
  endgenerate

endmodule

`resetall
