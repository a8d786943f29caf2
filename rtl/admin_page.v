// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// admin_page: one 32-byte word of the page that an admin command answers with (NVMe 1.1 §5.10, §5.11). Combinational.
//
// Pages: 0 Identify Namespace, 1 Identify Controller, 2 list of namespaces, 3 nothing but zeros, 4 firmware slots,
// 5 health.

`resetall
`timescale 1ns / 1ps
`default_nettype none

module admin_page #(
    // Functions, and width of a function's number
    parameter FUNCTIONS = 7,
    parameter FUNCTION_WIDTH = 3,
    // Logical block size, log2 of bytes
    parameter LBA_SHIFT = 12,
    // AWUN = AWUPF = ACWU in bytes
    parameter ATOMIC_UNIT_BYTES = 16384
) (
    input wire [               2:0] page,
    input wire [               6:0] word,
    // The asking function
    input wire [FUNCTION_WIDTH-1:0] function_number,

    input  wire [ 63:0] namespace_blocks,
    input  wire [159:0] serial_number,
    output reg  [255:0] data
);

  `include "nvme_defs.vh"

  // DRAM does not wear: all of its spare is there.
  localparam [7:0] SPARE = 8'd100;

  wire [255:0] identify;
  identify_rom #(
      .VIRTUAL_FUNCTIONS(FUNCTIONS - 1),
      .LBA_SHIFT(LBA_SHIFT),
      .ATOMIC_UNIT_BYTES(ATOMIC_UNIT_BYTES),
      .FUNCTION_WIDTH(FUNCTION_WIDTH)
  ) rom (
      .structure({5'd0, page}),
      .beat(word),
      .function_number(function_number),
      .namespace_id(32'd0),
      .namespace_blocks(namespace_blocks),
      .serial_number(serial_number),
      .data(identify)
  );

  always @* begin
    data = 256'd0;
    case ({
      page, word
    })
      {3'd4, 7'd0} : data[127:0] = {FIRMWARE_REVISION, 64'd1};
      {3'd5, 7'd0} : data[31:0] = {SPARE, TEMPERATURE_KELVIN[15:0], 8'd0};
      // One power cycle
      {3'd5, 7'd3} : data[128] = 1'b1;
      default: if (page < 3'd3) data = identify;
    endcase
  end

endmodule

`resetall
