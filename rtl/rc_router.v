// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// rc_router: completions of host reads, from RC to where their tag says.
//
// Always takes. Two cycles after a beat its dwords stand on `write_data`, each in the lane of a 32-byte word it belongs
// to; lanes below `write_split` belong to the word behind `write_word`. The last beat of a completion that ends its
// read, or that is the first bad one, also gives `end_valid`; so does a read that is given up, between completions of its
// tag. What comes for a read that has failed is nobody's: the tag table keeps its tag in quarantine.

`resetall
`timescale 1ns / 1ps
`default_nettype none

module rc_router #(
    // Width of a tag's purpose: {kind [1:0], owner, dword position}
    parameter OWNER_WIDTH = 8,
    parameter POSITION_WIDTH = 14,
    parameter PURPOSE_WIDTH = 2 + OWNER_WIDTH + POSITION_WIDTH
) (
    input wire clk,
    input wire rst,

    // Requester completions
    input wire [255:0] m_axis_rc_tdata,
    input wire [  7:0] m_axis_rc_tkeep,
    input wire         m_axis_rc_tlast,
    input wire         m_axis_rc_sof,
    input wire         m_axis_rc_discontinue,
    input wire         m_axis_rc_tvalid,

    // The tag table
    output wire [              5:0] look_tag,
    input  wire                     look_used,
    input  wire [PURPOSE_WIDTH-1:0] look_purpose,
    input  wire [             10:0] look_remaining_dwords,
    input  wire [             10:0] look_received_dwords,
    output wire                     come_valid,
    output wire [             10:0] come_dwords,
    output wire                     come_last,
    // The completion that ends here is bad, and its read goes on
    output wire                     quarantine_valid,
    output wire [              5:0] quarantine_tag,
    // A read that has taken too long
    input  wire                     late_valid,
    output wire                     late_ready,
    input  wire [              5:0] late_tag,
    input  wire [PURPOSE_WIDTH-1:0] late_purpose,

    // Data; the half is the uppermost bit of the position
    output reg                      write_valid,
    output reg [               1:0] write_kind,
    output reg                      write_half,
    output reg [   OWNER_WIDTH-1:0] write_owner,
    output reg [POSITION_WIDTH-1:3] write_word,
    output reg [             255:0] write_data,
    output reg [               7:0] write_lanes,
    output reg [               2:0] write_split,

    // A read has ended, for good or bad; or failed before its end
    output reg                   end_valid,
    output reg [            1:0] end_kind,
    output reg [OWNER_WIDTH-1:0] end_owner,
    output reg                   end_half,
    output reg                   end_failed
);

  // The beat, a cycle old
  reg [255:0] data_reg;
  reg [  7:0] keep_reg;
  reg valid_reg, sof_reg, last_reg, discontinue_reg;
  always @(posedge clk) begin
    data_reg <= m_axis_rc_tdata;
    keep_reg <= m_axis_rc_tkeep;
    sof_reg <= m_axis_rc_sof;
    last_reg <= m_axis_rc_tlast;
    discontinue_reg <= m_axis_rc_discontinue;
    valid_reg <= m_axis_rc_tvalid;
    if (rst) valid_reg <= 1'b0;
  end

  // The completion it belongs to
  reg [ PURPOSE_WIDTH-1:0] purpose_reg;
  reg [POSITION_WIDTH-1:0] position_reg;
  reg used_reg, bad_reg, ends_reg, within_reg;
  reg [5:0] tag_reg;
  reg [10:0] dwords_reg;

  wire [3:0] error_code = data_reg[15:12];
  wire completed = data_reg[30];
  wire [10:0] dwords = sof_reg ? data_reg[42:32] : dwords_reg;
  wire poisoned = data_reg[46];
  assign look_tag = sof_reg ? data_reg[69:64] : tag_reg;
  wire bad_now = error_code != 4'd0 || poisoned || (completed && dwords < look_remaining_dwords) ||
      dwords > look_remaining_dwords;

  wire [PURPOSE_WIDTH-1:0] purpose = sof_reg ? look_purpose : purpose_reg;
  wire used = sof_reg ? look_used && data_reg[71:70] == 2'd0 : used_reg;
  wire bad = sof_reg ? bad_now : bad_reg;
  wire ends = sof_reg ? completed || error_code != 4'd0 : ends_reg;
  // Of lane 0: the descriptor stands in the three dwords before the data.
  wire [POSITION_WIDTH-1:0] position = sof_reg ?
      look_purpose[POSITION_WIDTH-1:0] + {{(POSITION_WIDTH - 11) {1'b0}}, look_received_dwords} -
      {{(POSITION_WIDTH - 2) {1'b0}}, 2'd3} : position_reg;

  // Not before its last beat: until then the tag is the completion's.
  assign come_valid = valid_reg && last_reg && used;
  assign come_dwords = dwords;
  assign come_last = ends;

  assign quarantine_valid = valid_reg && used && last_reg && (bad || discontinue_reg) && !ends;
  assign quarantine_tag = look_tag;
  assign late_ready = !(valid_reg && last_reg) && !((valid_reg || within_reg) && look_tag == late_tag);
  wire late = late_valid && late_ready;

  // Lane l of the word takes dword (l - rotation) of the beat.
  wire [2:0] rotation = position[2:0];
  wire [2:0] turn_dwords = 3'd0 - rotation;
  wire [511:0] twice = {data_reg, data_reg};
  wire [15:0] lanes_twice = {2{sof_reg ? keep_reg & 8'hf8 : keep_reg}};
  wire [8:0] turn = {1'b0, turn_dwords, 5'd0};
  wire [3:0] lane_turn = {1'b0, turn_dwords};

  always @(posedge clk) begin
    write_valid <= valid_reg && used && !bad;
    write_kind <= purpose[PURPOSE_WIDTH-1-:2];
    write_half <= purpose[POSITION_WIDTH-1];
    write_owner <= purpose[POSITION_WIDTH+:OWNER_WIDTH];
    write_word <= position[POSITION_WIDTH-1:3];
    write_data <= twice[turn+:256];
    write_lanes <= lanes_twice[lane_turn+:8];
    write_split <= rotation;
    end_valid <= late || (valid_reg && used && last_reg && (ends || bad || discontinue_reg));
    end_kind <= late ? late_purpose[PURPOSE_WIDTH-1-:2] : purpose[PURPOSE_WIDTH-1-:2];
    end_owner <= late ? late_purpose[POSITION_WIDTH+:OWNER_WIDTH] : purpose[POSITION_WIDTH+:OWNER_WIDTH];
    end_half <= late ? late_purpose[POSITION_WIDTH-1] : purpose[POSITION_WIDTH-1];
    end_failed <= late || bad || discontinue_reg;
    if (valid_reg) begin
      within_reg <= !last_reg;
      tag_reg <= look_tag;
      dwords_reg <= dwords;
      purpose_reg <= purpose;
      used_reg <= used;
      bad_reg <= bad;
      ends_reg <= ends;
      position_reg <= position + {{(POSITION_WIDTH - 4) {1'b0}}, 4'd8};
    end
    if (rst) begin
      write_valid <= 1'b0;
      end_valid   <= 1'b0;
      within_reg  <= 1'b0;
    end
  end

endmodule

`resetall
