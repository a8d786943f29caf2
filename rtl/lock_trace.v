// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// lock_trace: the range lock's steps, for those who watch: a simulation, a logic analyzer.
//
// A register stage, so that what is seen at the ports hangs on no input of the same cycle: everything comes a cycle late,
// in its order.

`resetall
`timescale 1ns / 1ps
`default_nettype none

module lock_trace #(
    // Widths of a context's and a queue's number, and of the number of a sector of 512 bytes
    parameter CONTEXT_WIDTH = 8,
    parameter QUEUE_WIDTH   = 3,
    parameter SECTOR_WIDTH  = 31
) (
    input wire clk,
    input wire rst,

    // A request for sectors `first` to `last`, by a command of a queue; a grant; two places that give up
    input wire                     request_valid,
    input wire [CONTEXT_WIDTH-1:0] request_context,
    input wire [  QUEUE_WIDTH-1:0] request_queue,
    input wire [             15:0] request_command,
    input wire [ SECTOR_WIDTH-1:0] request_first,
    input wire [ SECTOR_WIDTH-1:0] request_last,
    input wire                     request_exclusive,
    input wire                     grant_valid,
    input wire [CONTEXT_WIDTH-1:0] grant_context,
    input wire                     release_valid,
    input wire [CONTEXT_WIDTH-1:0] release_context,
    input wire                     release_write_valid,
    input wire [CONTEXT_WIDTH-1:0] release_write_context,

    // The same, a cycle later
    output reg                     lock_trace_request_valid,
    output reg [CONTEXT_WIDTH-1:0] lock_trace_request_context,
    output reg [  QUEUE_WIDTH-1:0] lock_trace_request_queue,
    output reg [             15:0] lock_trace_request_command,
    output reg [ SECTOR_WIDTH-1:0] lock_trace_request_first,
    output reg [ SECTOR_WIDTH-1:0] lock_trace_request_last,
    output reg                     lock_trace_request_exclusive,
    output reg                     lock_trace_grant_valid,
    output reg [CONTEXT_WIDTH-1:0] lock_trace_grant_context,
    output reg                     lock_trace_release_valid,
    output reg [CONTEXT_WIDTH-1:0] lock_trace_release_context,
    output reg                     lock_trace_release_write_valid,
    output reg [CONTEXT_WIDTH-1:0] lock_trace_release_write_context
);

  always @(posedge clk) begin
    lock_trace_request_valid <= request_valid;
    lock_trace_request_context <= request_context;
    lock_trace_request_queue <= request_queue;
    lock_trace_request_command <= request_command;
    lock_trace_request_first <= request_first;
    lock_trace_request_last <= request_last;
    lock_trace_request_exclusive <= request_exclusive;
    lock_trace_grant_valid <= grant_valid;
    lock_trace_grant_context <= grant_context;
    lock_trace_release_valid <= release_valid;
    lock_trace_release_context <= release_context;
    lock_trace_release_write_valid <= release_write_valid;
    lock_trace_release_write_context <= release_write_context;
    if (rst) begin
      lock_trace_request_valid <= 1'b0;
      lock_trace_grant_valid <= 1'b0;
      lock_trace_release_valid <= 1'b0;
      lock_trace_release_write_valid <= 1'b0;
    end
  end

endmodule

`resetall
