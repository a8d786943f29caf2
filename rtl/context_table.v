// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// context_table: what the decoder has found out about each command under way. Written once, read by every engine.

`resetall
`timescale 1ns / 1ps
`default_nettype none

module context_table #(
    // Width of a context's and of a row's number
    parameter CONTEXT_WIDTH = 8,
    parameter ROW_WIDTH = 6,
    // Width of a byte address of the medium
    parameter ADDRESS_WIDTH = 40
) (
    input wire clk,

    input wire                     write_valid,
    input wire [CONTEXT_WIDTH-1:0] write_context,
    input wire [    ROW_WIDTH-1:0] write_row,
    input wire [              2:0] write_kind,
    input wire                     write_two,
    input wire [             15:0] write_id,
    input wire [             15:0] write_second_id,
    input wire [             10:0] write_second_status,
    input wire [ADDRESS_WIDTH-1:0] write_address,
    input wire [             17:0] write_length,
    input wire [            127:0] write_prps,
    input wire [            127:0] write_second_prps,

    // For the completion engine
    input  wire [CONTEXT_WIDTH-1:0] end_context,
    output wire [    ROW_WIDTH-1:0] end_row,
    output wire                     end_two,
    output wire [             15:0] end_id,
    output wire [             15:0] end_second_id,

    // For the range lock
    input  wire [CONTEXT_WIDTH-1:0] lock_context,
    output wire [              2:0] lock_kind,
    output wire [ADDRESS_WIDTH-1:0] lock_address,
    output wire [             17:0] lock_length,

    // For the read path
    input  wire [CONTEXT_WIDTH-1:0] read_context,
    output wire [ADDRESS_WIDTH-1:0] read_address,
    output wire [             17:0] read_length,
    output wire [            127:0] read_prps,
    output wire [              2:0] read_kind,

    // For the fetch of host data
    input  wire [CONTEXT_WIDTH-1:0] fetch_context,
    output wire [              2:0] fetch_kind,
    output wire [             17:0] fetch_length,
    output wire [            127:0] fetch_prps,
    output wire [            127:0] fetch_second_prps,
    output wire [             10:0] fetch_second_status,

    // For what goes to the medium
    input  wire [CONTEXT_WIDTH-1:0] out_context,
    output wire [              2:0] out_kind,
    output wire [ADDRESS_WIDTH-1:0] out_address,
    output wire [             17:0] out_length,

    // Of a compare that has ended
    input  wire [CONTEXT_WIDTH-1:0] compared_context,
    output wire [              2:0] compared_kind,
    output wire [             10:0] compared_second_status,

    // Of a grant
    input  wire [CONTEXT_WIDTH-1:0] grant_context,
    output wire [              2:0] grant_kind
);

  localparam CONTEXTS = 1 << CONTEXT_WIDTH;

  reg [ROW_WIDTH-1:0] row_memory[0:CONTEXTS-1];
  reg [2:0] kind_memory[0:CONTEXTS-1];
  reg two_memory[0:CONTEXTS-1];
  reg [31:0] id_memory[0:CONTEXTS-1];
  reg [10:0] status_memory[0:CONTEXTS-1];
  reg [ADDRESS_WIDTH-1:0] address_memory[0:CONTEXTS-1];
  reg [17:0] length_memory[0:CONTEXTS-1];
  reg [127:0] prps_memory[0:CONTEXTS-1];
  reg [127:0] second_prps_memory[0:CONTEXTS-1];

  always @(posedge clk)
    if (write_valid) begin
      row_memory[write_context] <= write_row;
      kind_memory[write_context] <= write_kind;
      two_memory[write_context] <= write_two;
      id_memory[write_context] <= {write_second_id, write_id};
      status_memory[write_context] <= write_second_status;
      address_memory[write_context] <= write_address;
      length_memory[write_context] <= write_length;
      prps_memory[write_context] <= write_prps;
      second_prps_memory[write_context] <= write_second_prps;
    end

  assign end_row = row_memory[end_context];
  assign end_two = two_memory[end_context];
  assign {end_second_id, end_id} = id_memory[end_context];
  assign lock_kind = kind_memory[lock_context];
  assign lock_address = address_memory[lock_context];
  assign lock_length = length_memory[lock_context];
  assign read_address = address_memory[read_context];
  assign read_length = length_memory[read_context];
  assign read_prps = prps_memory[read_context];
  assign fetch_kind = kind_memory[fetch_context];
  assign out_kind = kind_memory[out_context];
  assign out_address = address_memory[out_context];
  assign out_length = length_memory[out_context];
  assign compared_kind = kind_memory[compared_context];
  assign compared_second_status = status_memory[compared_context];
  assign read_kind = kind_memory[read_context];
  assign fetch_length = length_memory[fetch_context];
  assign fetch_prps = prps_memory[fetch_context];
  assign fetch_second_prps = second_prps_memory[fetch_context];
  assign fetch_second_status = status_memory[fetch_context];
  assign grant_kind = kind_memory[grant_context];

endmodule

`resetall
