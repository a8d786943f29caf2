// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// command_decoder: every check of an I/O command before anything is moved (NVMe 1.1 §4.3, §6).
//
// A command comes with its SQE, a pair's second SQE a cycle later. Two cycles after the first SQE `decoded_valid` says
// what it is to do, or with which statuses it ends. Admin commands pass to the admin engine unchecked.

`resetall
`timescale 1ns / 1ps
`default_nettype none

module command_decoder #(
    // Width of a context's number, and of what else belongs to the command
    parameter CONTEXT_WIDTH = 8,
    parameter ROW_WIDTH = 6,
    // Logical block size, log2 of bytes
    parameter LBA_SHIFT = 12,
    // ACWU in bytes
    parameter ATOMIC_UNIT_BYTES = 16384,
    // Width of a byte address of the medium
    parameter ADDRESS_WIDTH = 40
) (
    input wire clk,
    input wire rst,

    input wire [63:0] namespace_blocks,

    input wire                     start_valid,
    input wire                     start_pair,
    input wire                     start_orphan,
    // Halves that an Abort has ended already
    input wire [              1:0] start_aborted,
    input wire [    ROW_WIDTH-1:0] start_row,
    input wire [CONTEXT_WIDTH-1:0] start_context,
    input wire [            511:0] entry,

    // The command: kind (read, write, compare, pair, or only statuses), where, how much, and the hosts' pages
    output reg                      decoded_valid,
    output reg                      decoded_admin,
    output reg  [CONTEXT_WIDTH-1:0] decoded_context,
    output reg  [    ROW_WIDTH-1:0] decoded_row,
    output reg  [              2:0] decoded_kind,
    output reg                      decoded_two,
    output reg  [              1:0] decoded_aborted,
    output reg  [             15:0] decoded_id,
    output reg  [             15:0] decoded_second_id,
    output reg  [             10:0] decoded_status,
    output reg  [             10:0] decoded_second_status,
    output reg  [ADDRESS_WIDTH-1:0] decoded_address,
    output reg  [             17:0] decoded_length,
    output wire [            127:0] decoded_prps,
    output wire [            127:0] decoded_second_prps,
    // The SQEs, for the admin engine and the error log: the status with which a command, or a pair's second half, was
    // rejected here (success when it was not), and the byte to blame
    output wire [            511:0] decoded_entry,
    output wire [            511:0] decoded_second_entry,
    output reg  [             10:0] decoded_rejection,
    output reg  [              7:0] decoded_byte
);

  `include "nvme_defs.vh"
  `include "command_kinds.vh"

  // Blocks of the largest transfer and of the atomic unit
  localparam integer MOST_SHIFTED = 131072 >> LBA_SHIFT;
  localparam [16:0] MOST_BLOCKS = MOST_SHIFTED[16:0];
  localparam [16:0] ATOMIC_BLOCKS = ATOMIC_UNIT_BYTES >> LBA_SHIFT;
  localparam [17:0] PAGE = 18'd4096;
  // Bytes of an SQE
  localparam [7:0] OPCODE_BYTE = 8'd0;
  localparam [7:0] FLAGS_BYTE = 8'd1;
  localparam [7:0] NAMESPACE_BYTE = 8'd4;
  localparam [7:0] PRP1_BYTE = 8'd24;
  localparam [7:0] PRP2_BYTE = 8'd32;
  localparam [7:0] BLOCK_BYTE = 8'd40;
  localparam [7:0] COUNT_BYTE = 8'd48;
  localparam [7:0] PROTECTION_BYTE = 8'd51;

  reg [511:0] first_reg, first_old_reg, second_old_reg;
  reg valid_reg, pair_reg, orphan_reg;
  reg [1:0] aborted_reg;
  reg [ROW_WIDTH-1:0] row_reg;
  reg [CONTEXT_WIDTH-1:0] context_reg;

  // What is wrong with one SQE by itself: {byte to blame, status code type, status code}, status 0 when it is sound
  function [18:0] wrong(input [511:0] sqe, input [63:0] limit);
    reg [16:0] count;
    reg [64:0] end_block;
    reg [17:0] page_end;
    reg flush, known;
    begin
      flush = sqe[7:0] == NVM_FLUSH;
      known = sqe[7:0] == NVM_READ || sqe[7:0] == NVM_WRITE || sqe[7:0] == NVM_COMPARE;
      count = {1'b0, sqe[399:384]} + 17'd1;
      end_block = {1'b0, sqe[383:320]} + {48'd0, count};
      page_end = {6'd0, sqe[203:192]} + ({1'b0, count} << LBA_SHIFT);
      wrong = {OPCODE_BYTE, STATUS_SUCCESS};
      if (!flush && !known) wrong = {OPCODE_BYTE, STATUS_INVALID_OPCODE};
      else if (sqe[15:14] != 2'd0 || sqe[9:8] == 2'd3) wrong = {FLAGS_BYTE, STATUS_INVALID_FIELD};
      else if (sqe[63:32] != 32'd1 && !(flush && sqe[63:32] == 32'hffff_ffff))
        wrong = {NAMESPACE_BYTE, STATUS_INVALID_NAMESPACE};
      else if (!flush) begin
        if (sqe[413:410] != 4'd0) wrong = {PROTECTION_BYTE, STATUS_INVALID_FIELD};
        else if (count > MOST_BLOCKS) wrong = {COUNT_BYTE, STATUS_INVALID_FIELD};
        else if (end_block > {1'b0, limit}) wrong = {BLOCK_BYTE, STATUS_LBA_OUT_OF_RANGE};
        else if (sqe[193:192] != 2'd0) wrong = {PRP1_BYTE, STATUS_INVALID_FIELD};
        else if (page_end > PAGE && page_end <= 2 * PAGE && sqe[267:256] != 12'd0)
          wrong = {PRP2_BYTE, STATUS_INVALID_FIELD};
        else if (page_end > 2 * PAGE && sqe[258:256] != 3'd0) wrong = {PRP2_BYTE, STATUS_INVALID_FIELD};
      end
    end
  endfunction

  wire [511:0] first = first_reg;
  wire [511:0] second = entry;
  wire [  7:0] opcode = first[7:0];
  wire [10:0] first_wrong, second_wrong;
  wire [7:0] first_byte, second_byte;
  assign {first_byte, first_wrong}   = wrong(first, namespace_blocks);
  assign {second_byte, second_wrong} = wrong(second, namespace_blocks);
  wire [16:0] blocks = {1'b0, first[399:384]} + 17'd1;
  wire [1:0] fuse = first[9:8];
  // What is wrong with a pair as a pair
  wire opcode_mismatch = opcode != NVM_COMPARE || second[7:0] != NVM_WRITE;
  wire block_mismatch = first[383:320] != second[383:320];
  wire count_mismatch = first[399:384] != second[399:384] || blocks > ATOMIC_BLOCKS;
  wire namespace_mismatch = first[63:32] != second[63:32];
  wire mismatch = opcode_mismatch || block_mismatch || count_mismatch || namespace_mismatch;
  wire [7:0] mismatch_byte = opcode_mismatch ? OPCODE_BYTE :
      (block_mismatch ? BLOCK_BYTE : (count_mismatch ? COUNT_BYTE : NAMESPACE_BYTE));
  wire fits_half = opcode == (fuse == 2'd1 ? NVM_COMPARE : NVM_WRITE);

  reg [10:0] status, second_status, rejection;
  reg [7:0] byte_to_blame;
  reg [2:0] kind;
  always @* begin
    status = first_wrong;
    second_status = STATUS_SUCCESS;
    byte_to_blame = first_byte;
    case (opcode)
      NVM_READ: kind = KIND_READ;
      NVM_WRITE: kind = KIND_WRITE;
      NVM_COMPARE: kind = KIND_COMPARE;
      default: kind = KIND_STATUS;
    endcase
    if (aborted_reg[0]) begin
      // It has its CQE; the second of a pair has none before it.
      status = STATUS_ABORT_REQUESTED;
      second_status = STATUS_ABORTED_MISSING_FUSED;
      byte_to_blame = FLAGS_BYTE;
    end else if (orphan_reg) begin
      // Half a pair that could be none in any company is invalid, not alone.
      status = fits_half ? STATUS_ABORTED_MISSING_FUSED : STATUS_INVALID_FIELD;
      byte_to_blame = fits_half ? FLAGS_BYTE : OPCODE_BYTE;
    end else if (pair_reg) begin
      kind = KIND_PAIR;
      if (mismatch) begin
        status = STATUS_INVALID_FIELD;
        second_status = STATUS_INVALID_FIELD;
        byte_to_blame = mismatch_byte;
      end else if (first_wrong != STATUS_SUCCESS) second_status = STATUS_ABORTED_FAILED_FUSED;
      else begin
        second_status = second_wrong;
        byte_to_blame = second_byte;
      end
    end
    rejection = status != STATUS_SUCCESS ? status : second_status;
    if (aborted_reg[1]) second_status = STATUS_ABORT_REQUESTED;
    if (status != STATUS_SUCCESS) kind = KIND_STATUS;
  end

  wire [63:0] byte_address = first[383:320] << LBA_SHIFT;
  wire [17:0] byte_length = {1'b0, blocks} << LBA_SHIFT;
  assign decoded_prps = first_old_reg[319:192];
  assign decoded_second_prps = second_old_reg[319:192];
  assign decoded_entry = first_old_reg;
  assign decoded_second_entry = second_old_reg;

  always @(posedge clk) begin
    valid_reg <= start_valid;
    if (start_valid) begin
      pair_reg <= start_pair;
      orphan_reg <= start_orphan;
      aborted_reg <= start_aborted;
      row_reg <= start_row;
      context_reg <= start_context;
      first_reg <= entry;
    end
    decoded_valid <= valid_reg;
    if (valid_reg) begin
      first_old_reg <= first;
      second_old_reg <= second;
      decoded_admin <= context_reg[4];
      decoded_context <= context_reg;
      decoded_row <= row_reg;
      decoded_kind <= kind;
      decoded_two <= pair_reg;
      decoded_aborted <= context_reg[4] ? 2'b00 : aborted_reg;
      decoded_id <= first[31:16];
      decoded_second_id <= second[31:16];
      decoded_status <= status;
      decoded_second_status <= second_status;
      decoded_rejection <= rejection;
      decoded_byte <= byte_to_blame;
      decoded_address <= byte_address[ADDRESS_WIDTH-1:0];
      decoded_length <= kind == KIND_STATUS ? 18'd0 : byte_length;
    end
    if (rst) begin
      valid_reg <= 1'b0;
      decoded_valid <= 1'b0;
    end
  end

  generate
    if (LBA_SHIFT != 9 && LBA_SHIFT != 12) begin : gen_lba_check
      LBA_SHIFT_must_be_9_or_12 check ();
    end
  endgenerate

endmodule

`resetall
