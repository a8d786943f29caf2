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
    // Where data begin in their first host page, of both halves of a pair
    input wire [             11:0] write_offset,
    input wire [             11:0] write_second_offset,

    // For the completion engine
    input  wire [CONTEXT_WIDTH-1:0] end_context,
    output wire [    ROW_WIDTH-1:0] end_row,
    output wire                     end_two,
    output wire [             15:0] end_id,
    output wire [             15:0] end_second_id,

    // Of a command that has been walked, of an event of the segment engine
    input  wire [CONTEXT_WIDTH-1:0] walked_context,
    output wire [              2:0] walked_kind,
    input  wire [CONTEXT_WIDTH-1:0] event_context,
    output wire [    ROW_WIDTH-1:0] event_row,
    output wire [              2:0] event_kind,
    output wire [             17:0] event_length,
    output wire [             10:0] event_second_status,

    // For the range lock: of a request, of a grant
    input  wire [CONTEXT_WIDTH-1:0] lock_context,
    output wire [    ROW_WIDTH-1:0] lock_row,
    output wire [             15:0] lock_id,
    output wire [              2:0] lock_kind,
    output wire [ADDRESS_WIDTH-1:0] lock_address,
    output wire [             17:0] lock_length,
    input  wire [CONTEXT_WIDTH-1:0] grant_context,
    output wire [    ROW_WIDTH-1:0] grant_row,
    output wire [              2:0] grant_kind,

    // For the movers: of the command whose cost is looked up, and of the one chosen
    input  wire [CONTEXT_WIDTH-1:0] read_look_context,
    output wire [              2:0] read_look_kind,
    output wire [             11:0] read_look_offset,
    input  wire [CONTEXT_WIDTH-1:0] read_chosen_context,
    output wire [              2:0] read_chosen_kind,
    output wire [             11:0] read_chosen_offset,
    input  wire [CONTEXT_WIDTH-1:0] fetch_look_context,
    output wire [             11:0] fetch_look_offset,
    output wire [             11:0] fetch_look_second_offset,
    input  wire [CONTEXT_WIDTH-1:0] fetch_chosen_context,
    output wire [             11:0] fetch_chosen_offset,
    output wire [             11:0] fetch_chosen_second_offset,

    // Of a read of host data that has ended, of one not sent, of a compare that has ended
    input  wire [CONTEXT_WIDTH-1:0] host_context,
    output wire [              2:0] host_kind,
    input  wire [CONTEXT_WIDTH-1:0] unsent_context,
    output wire [              2:0] unsent_kind,
    input  wire [CONTEXT_WIDTH-1:0] compared_context,
    output wire [              2:0] compared_kind
);

  localparam CONTEXTS = 1 << CONTEXT_WIDTH;

  reg [ROW_WIDTH-1:0] row_memory[0:CONTEXTS-1];
  reg [2:0] kind_memory[0:CONTEXTS-1];
  reg two_memory[0:CONTEXTS-1];
  reg [31:0] id_memory[0:CONTEXTS-1];
  reg [10:0] status_memory[0:CONTEXTS-1];
  reg [ADDRESS_WIDTH-1:0] address_memory[0:CONTEXTS-1];
  reg [17:0] length_memory[0:CONTEXTS-1];
  reg [23:0] offset_memory[0:CONTEXTS-1];

  always @(posedge clk)
    if (write_valid) begin
      row_memory[write_context] <= write_row;
      kind_memory[write_context] <= write_kind;
      two_memory[write_context] <= write_two;
      id_memory[write_context] <= {write_second_id, write_id};
      status_memory[write_context] <= write_second_status;
      address_memory[write_context] <= write_address;
      length_memory[write_context] <= write_length;
      offset_memory[write_context] <= {write_second_offset, write_offset};
    end

  assign end_row = row_memory[end_context];
  assign end_two = two_memory[end_context];
  assign {end_second_id, end_id} = id_memory[end_context];
  assign walked_kind = kind_memory[walked_context];
  assign event_row = row_memory[event_context];
  assign event_kind = kind_memory[event_context];
  assign event_length = length_memory[event_context];
  assign event_second_status = status_memory[event_context];
  assign lock_row = row_memory[lock_context];
  assign lock_id = id_memory[lock_context][15:0];
  assign lock_kind = kind_memory[lock_context];
  assign lock_address = address_memory[lock_context];
  assign lock_length = length_memory[lock_context];
  assign grant_row = row_memory[grant_context];
  assign grant_kind = kind_memory[grant_context];
  assign read_look_kind = kind_memory[read_look_context];
  assign read_look_offset = offset_memory[read_look_context][11:0];
  assign read_chosen_kind = kind_memory[read_chosen_context];
  assign read_chosen_offset = offset_memory[read_chosen_context][11:0];
  assign {fetch_look_second_offset, fetch_look_offset} = offset_memory[fetch_look_context];
  assign {fetch_chosen_second_offset, fetch_chosen_offset} = offset_memory[fetch_chosen_context];
  assign host_kind = kind_memory[host_context];
  assign unsent_kind = kind_memory[unsent_context];
  assign compared_kind = kind_memory[compared_context];

endmodule

`resetall
