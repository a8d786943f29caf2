// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// command_notes: what the counters and the error log want to know of a command when it ends.
//
// Written when a command has been decoded. `end_valid` tells, a cycle after a CQE, what it was for: the first one of a
// command carries both of its statuses.

`resetall
`timescale 1ns / 1ps
`default_nettype none

module command_notes #(
    // Width of a context's and of a queue's number
    parameter CONTEXT_WIDTH = 8,
    parameter QUEUE_WIDTH   = 3
) (
    input wire clk,
    input wire rst,

    // A command has been decoded: its SQEs, what it is for the data paths
    input wire                     write_valid,
    input wire                     write_admin,
    input wire [CONTEXT_WIDTH-1:0] write_context,
    input wire [              2:0] write_kind,
    input wire [             17:0] write_length,
    input wire [            511:0] write_entry,
    input wire [            511:0] write_second_entry,
    // With which status the decoder has rejected it (or a pair's second half), if any, and the byte to blame
    input wire [             10:0] write_rejection,
    input wire [              7:0] write_byte,

    // A CQE is posted for a command
    input wire                     post_valid,
    input wire [CONTEXT_WIDTH-1:0] post_context,
    input wire [  QUEUE_WIDTH-1:0] post_queue,
    input wire [             15:0] post_id,
    input wire                     post_second,
    input wire [             10:0] post_status,
    input wire [             10:0] post_second_status,
    // Of an admin command: {bit, byte} to blame
    input wire [             10:0] post_admin_location,

    // A cycle later
    output reg                      end_valid,
    output reg                      end_first,
    output reg  [CONTEXT_WIDTH-1:0] end_context,
    output wire [              2:0] end_kind,
    output wire [             17:0] end_length,
    output reg  [             10:0] end_status,
    output reg  [             10:0] end_second_status,
    // As the error log has them
    output reg  [             15:0] end_queue_id,
    output reg  [             15:0] end_id,
    output wire [             15:0] end_location,
    output wire [             63:0] end_block,
    output wire [             31:0] end_namespace_id
);

  `include "nvme_defs.vh"

  localparam WIDTH = 3 + 18 + 11 + 8 + 2 * 96;

  // The first block, of commands that have one
  function [63:0] block(input [511:0] entry, input admin);
    block = !admin && (entry[7:0] == NVM_READ || entry[7:0] == NVM_WRITE || entry[7:0] == NVM_COMPARE) ?
        entry[SQE_CDW10+:64] : 64'd0;
  endfunction

  reg [WIDTH-1:0] memory[0:(1<<CONTEXT_WIDTH)-1];
  reg [WIDTH-1:0] notes_reg;
  reg second_reg;
  reg [10:0] admin_location_reg;

  always @(posedge clk) begin
    if (write_valid)
      memory[write_context] <= {
        write_kind,
        write_length,
        write_rejection,
        write_byte,
        block(write_second_entry, write_admin),
        write_second_entry[SQE_NSID+:32],
        block(write_entry, write_admin),
        write_entry[SQE_NSID+:32]
      };
    if (post_valid) begin
      notes_reg <= memory[post_context];
      second_reg <= post_second;
      admin_location_reg <= post_admin_location;
      end_context <= post_context;
      end_status <= post_status;
      end_second_status <= post_second_status;
      end_queue_id <= {{(16 - QUEUE_WIDTH) {1'b0}}, post_queue};
      end_id <= post_id;
    end
    end_valid <= post_valid && !rst;
    end_first <= !post_second;
  end

  wire [10:0] rejection = notes_reg[200+:11];
  wire [ 7:0] rejected_byte = notes_reg[192+:8];
  assign end_kind = notes_reg[WIDTH-1-:3];
  assign end_length = notes_reg[WIDTH-4-:18];
  assign {end_block, end_namespace_id} = second_reg ? notes_reg[191:96] : notes_reg[95:0];
  wire rejected = rejection != STATUS_SUCCESS && rejection == end_status;
  assign end_location = end_context[4] ? {5'd0, admin_location_reg} :
      (rejected ? {8'd0, rejected_byte} : ERROR_LOG_NO_LOCATION);

endmodule

`resetall
