// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// parked_halves: second halves of fused pairs whose completion queue has two slots.
//
// Such a queue takes one entry. A pair begins with that one; its second half waits here until the host has taken the
// first, and goes before whatever else wants the slot. At most one waits for each queue: while its pair is under way no
// other command has a slot there.

`resetall
`timescale 1ns / 1ps
`default_nettype none

module parked_halves #(
    // Functions, and width of a function's number
    parameter FUNCTIONS = 7,
    parameter FUNCTION_WIDTH = 3,
    // Width of a queue's number
    parameter QUEUE_WIDTH = 3,
    // Widths of a row's and of a context's number (derived)
    parameter ROW_WIDTH = FUNCTION_WIDTH + QUEUE_WIDTH,
    parameter CONTEXT_WIDTH = FUNCTION_WIDTH + 5
) (
    input wire clk,
    input wire rst,

    // Functions that get no completions any more: what they have here is offered at once
    input wire [     FUNCTIONS-1:0] silent,
    // By completion queue: one slot is free
    input wire [(1<<ROW_WIDTH)-1:0] room,

    // A second half and its status, for the completion queue of that row
    input wire                     park_valid,
    input wire [    ROW_WIDTH-1:0] park_row,
    input wire [CONTEXT_WIDTH-1:0] park_context,
    input wire [             10:0] park_status,

    // By completion queue: one waits, so nobody else may have a slot
    output wire [(1<<ROW_WIDTH)-1:0] waits,

    // One that may go
    output wire                     ready_valid,
    input  wire                     ready_taken,
    output wire [CONTEXT_WIDTH-1:0] ready_context,
    output wire [             10:0] ready_status
);

  localparam ROWS = 1 << ROW_WIDTH;

  reg [ROWS-1:0] waits_reg;
  reg [CONTEXT_WIDTH+10:0] half_memory[0:ROWS-1];
  reg ready_reg;
  reg [ROW_WIDTH-1:0] row_reg;

  assign waits = waits_reg;
  assign ready_valid = ready_reg;
  assign {ready_context, ready_status} = half_memory[row_reg];

  integer r;
  reg found;
  reg [ROW_WIDTH-1:0] found_row;
  always @* begin
    found = 1'b0;
    found_row = {ROW_WIDTH{1'b0}};
    for (r = 0; r < (FUNCTIONS << QUEUE_WIDTH); r = r + 1)
    if (!found && waits_reg[r] && (room[r] || silent[r>>QUEUE_WIDTH])) begin
      found = 1'b1;
      found_row = r[ROW_WIDTH-1:0];
    end
  end

  always @(posedge clk) begin
    if (!ready_reg) begin
      ready_reg <= found;
      row_reg   <= found_row;
    end else if (ready_taken) begin
      ready_reg <= 1'b0;
      waits_reg[row_reg] <= 1'b0;
    end
    if (park_valid) begin
      waits_reg[park_row]   <= 1'b1;
      half_memory[park_row] <= {park_context, park_status};
    end
    if (rst) begin
      waits_reg <= {ROWS{1'b0}};
      ready_reg <= 1'b0;
    end
  end

endmodule

`resetall
