// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// admin_page: the pages that admin commands answer with (NVMe 1.1 §5.10, §5.11), two words of 32 bytes at a time.
//
// In a cycle with `enable`, `word` is the second of the two words (0: there is
// no first); they are there in the next cycle, and stay until the next with `enable`. What stands in memories is asked
// for with the same `enable`; of two words one is even and one odd.

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
    input wire clk,

    input  wire                      enable,
    // The asking function, and its page
    input  wire [FUNCTION_WIDTH-1:0] function_number,
    input  wire [               2:0] page,
    input  wire [               7:0] word,
    output wire [             511:0] data,

    input wire [63:0] namespace_blocks,
    input wire [159:0] serial_number,
    // By function: the temperature is above its threshold
    input wire [FUNCTIONS-1:0] too_hot,
    input wire [31:0] power_on_hours,

    // A row of counters: functions whose even and odd words are wanted
    output wire [FUNCTION_WIDTH-1:0] even_function,
    output wire [FUNCTION_WIDTH-1:0] odd_function,
    input  wire [             255:0] counters_even,
    input  wire [             255:0] counters_odd,
    input  wire [              63:0] host_reads,
    input  wire [              63:0] host_writes,
    input  wire [              63:0] data_units_read,
    input  wire [              63:0] data_units_written,
    input  wire [              63:0] media_errors,
    // An entry of the error log, newest first: it fills an even word; and how many errors there have been
    output wire [               5:0] error_entry,
    input  wire [             255:0] error_data,
    input  wire [              63:0] error_count
);

  `include "nvme_defs.vh"
  `include "admin_actions.vh"

  // DRAM does not wear: all of its spare is there.
  localparam [7:0] SPARE = 8'd100;
  localparam [63:0] POWER_CYCLES = 64'd1;

  // The two words, and the rows of 64 bytes in which they stand
  wire [7:0] low_word = word - 8'd1;
  wire [6:0] even_word = low_word[0] ? word[6:0] : low_word[6:0];
  wire [6:0] odd_word = low_word[0] ? low_word[6:0] : word[6:0];
  wire [5:0] even_row = even_word[6:1];
  wire [5:0] odd_row = odd_word[6:1];

  // Row 0 of the counters is the asking function's, row 1 the PF's, and so on.
  wire [5:0] even_before = even_row - 6'd1;
  wire [5:0] odd_before = odd_row - 6'd1;
  assign even_function = even_row == 6'd0 ? function_number : even_before[FUNCTION_WIDTH-1:0];
  assign odd_function  = odd_row == 6'd0 ? function_number : odd_before[FUNCTION_WIDTH-1:0];
  assign error_entry   = even_row;

  wire [511:0] identify;
  genvar side;
  generate
    for (side = 0; side < 2; side = side + 1) begin : gen_identify
      identify_rom #(
          .VIRTUAL_FUNCTIONS(FUNCTIONS - 1),
          .LBA_SHIFT(LBA_SHIFT),
          .ATOMIC_UNIT_BYTES(ATOMIC_UNIT_BYTES),
          .FUNCTION_WIDTH(FUNCTION_WIDTH)
      ) rom (
          .structure({5'd0, page}),
          .beat(side == 0 ? even_word : odd_word),
          .function_number(function_number),
          .namespace_id(32'd0),
          .namespace_blocks(namespace_blocks),
          .serial_number(serial_number),
          .data(identify[256*side+:256])
      );
    end
  endgenerate

  // A cycle later
  reg [2:0] page_reg;
  reg low_odd_reg, even_counts_reg, odd_counts_reg, hot_reg;
  reg [5:0] even_row_reg, odd_row_reg;
  reg [511:0] identify_reg;
  always @(posedge clk)
    if (enable) begin
      page_reg <= page;
      low_odd_reg <= low_word[0];
      even_row_reg <= even_row;
      odd_row_reg <= odd_row;
      even_counts_reg <= {26'd0, even_row} <= FUNCTIONS;
      odd_counts_reg <= {26'd0, odd_row} <= FUNCTIONS;
      hot_reg <= too_hot[function_number];
      identify_reg <= identify;
    end

  reg [255:0] even, odd;
  always @* begin
    even = 256'd0;
    odd  = 256'd0;
    case (page_reg)
      FIRMWARE_PAGE: if (even_row_reg == 6'd0) even[127:0] = {FIRMWARE_REVISION, 64'd1};
      HEALTH_PAGE: begin
        case (even_row_reg)
          6'd0: begin
            even[HEALTH_CW+1] = hot_reg;
            even[HEALTH_TEMP+:16] = TEMPERATURE_KELVIN[15:0];
            even[HEALTH_AVSP+:8] = SPARE;
          end
          6'd1: begin
            even[HEALTH_HRC-512+:64] = host_reads;
            even[HEALTH_HWC-512+:64] = host_writes;
          end
          6'd2: even[HEALTH_POH-1024+:32] = power_on_hours;
          default: ;
        endcase
        case (odd_row_reg)
          6'd0: begin
            odd[HEALTH_DUR-256+:64] = data_units_read;
            odd[HEALTH_DUW-256+:64] = data_units_written;
          end
          6'd1: odd[HEALTH_PC-768+:64] = POWER_CYCLES;
          6'd2: begin
            odd[HEALTH_ME-1280+:64] = media_errors;
            odd[HEALTH_NEILE-1280+:64] = error_count;
          end
          default: ;
        endcase
      end
      COUNTERS_PAGE: begin
        if (even_counts_reg) even = counters_even;
        if (odd_counts_reg) odd = counters_odd;
      end
      ERRORS_PAGE: even = error_data;
      default: {odd, even} = page_reg < NO_PAGE ? identify_reg : 512'd0;
    endcase
  end
  assign data = low_odd_reg ? {even, odd} : {odd, even};

endmodule

`resetall
