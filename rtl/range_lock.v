// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// range_lock: the atomicity of the product, across all queues of all functions.
//
// A table of rows, some of each function's own. A request is compared with every row present and waits for those it
// conflicts with, granted or waiting (nobody starves); a row that goes clears its bit everywhere, and who then waits for
// nothing is granted. A request handed in is granted one cycle later when nothing is in its way.

`resetall
`timescale 1ns / 1ps
`default_nettype none

module range_lock #(
    // Functions, and width of a function's number
    parameter FUNCTIONS = 7,
    parameter FUNCTION_WIDTH = 3,
    // Rows of each function: 1 to 8
    parameter ROWS_PER_FUNCTION = 7,
    // Width of an address, in blocks of 512 bytes
    parameter ADDRESS_WIDTH = 31,
    // Width of a context's number
    parameter CONTEXT_WIDTH = 8
) (
    input wire clk,
    input wire rst,

    // Functions with a free row
    output reg  [    FUNCTIONS-1:0] free,
    // A request of a function with a free row: blocks `first` to `last`; it has to wait for others
    input  wire                     request_valid,
    input  wire [CONTEXT_WIDTH-1:0] request_context,
    input  wire [ADDRESS_WIDTH-1:0] request_first,
    input  wire [ADDRESS_WIDTH-1:0] request_last,
    input  wire                     request_exclusive,
    output wire                     request_waits,

    // A grant, taken when ready
    output wire                     grant_valid,
    input  wire                     grant_ready,
    output wire [CONTEXT_WIDTH-1:0] grant_context,
    output wire [              5:0] grant_row,

    // Two places that give rows up, and whose they were
    input  wire                     release_valid,
    input  wire [              5:0] release_row,
    output wire [CONTEXT_WIDTH-1:0] release_context,
    input  wire                     release_write_valid,
    input  wire [              5:0] release_write_row,
    output wire [CONTEXT_WIDTH-1:0] release_write_context
);

  localparam ROWS = FUNCTIONS * ROWS_PER_FUNCTION;
  localparam INDEX_WIDTH = ROWS > 1 ? $clog2(ROWS) : 1;

  reg [ROWS-1:0] present_reg, told_reg, exclusive_reg;
  reg [ADDRESS_WIDTH-1:0] first_reg[0:ROWS-1];
  reg [ADDRESS_WIDTH-1:0] last_reg[0:ROWS-1];
  reg [CONTEXT_WIDTH-1:0] context_reg[0:ROWS-1];
  reg [ROWS-1:0] waits_on_reg[0:ROWS-1];

  wire [ROWS-1:0] going = (release_valid ? {{(ROWS - 1) {1'b0}}, 1'b1} << release_row : {ROWS{1'b0}}) |
      (release_write_valid ? {{(ROWS - 1) {1'b0}}, 1'b1} << release_write_row : {ROWS{1'b0}});
  wire [FUNCTION_WIDTH-1:0] request_function = request_context[CONTEXT_WIDTH-1-:FUNCTION_WIDTH];
  wire [ROWS-1:0] untold = present_reg & ~told_reg;

  // What would be looked for in vain is not looked for: this costs a simulator more than all the rest of the lock.
  integer r, f;
  reg [ROWS-1:0] conflicts;
  reg [INDEX_WIDTH-1:0] new_row, granted;
  reg granted_valid;
  always @* begin
    for (f = 0; f < FUNCTIONS; f = f + 1) free[f] = !(&present_reg[f*ROWS_PER_FUNCTION+:ROWS_PER_FUNCTION]);
    new_row   = {INDEX_WIDTH{1'b0}};
    conflicts = {ROWS{1'b0}};
    if (request_valid)
      for (r = ROWS - 1; r >= 0; r = r - 1) begin
        if (!present_reg[r] && {{(32 - FUNCTION_WIDTH) {1'b0}}, request_function} == r / ROWS_PER_FUNCTION)
          new_row = r[INDEX_WIDTH-1:0];
        conflicts[r] = present_reg[r] && !going[r] && (request_exclusive || exclusive_reg[r]) &&
            request_first <= last_reg[r] && first_reg[r] <= request_last;
`ifdef RANGE_LOCK_REMOVED
        // Never in hardware: the test that no page is ever torn shows with this that it would notice.
        conflicts[r] = 1'b0;
`endif
      end
    granted = {INDEX_WIDTH{1'b0}};
    granted_valid = 1'b0;
    if (|untold)
      for (r = ROWS - 1; r >= 0; r = r - 1)
      if (untold[r] && waits_on_reg[r] == {ROWS{1'b0}}) begin
        granted_valid = 1'b1;
        granted = r[INDEX_WIDTH-1:0];
      end
  end

  assign request_waits = request_valid && conflicts != {ROWS{1'b0}};
  assign grant_valid = granted_valid;
  assign grant_row = {{(6 - INDEX_WIDTH) {1'b0}}, granted};
  assign grant_context = context_reg[granted];
  assign release_context = context_reg[release_row[INDEX_WIDTH-1:0]];
  assign release_write_context = context_reg[release_write_row[INDEX_WIDTH-1:0]];

  always @(posedge clk) begin
    if (|going) for (f = 0; f < ROWS; f = f + 1) waits_on_reg[f] <= waits_on_reg[f] & ~going;
    present_reg <= present_reg & ~going;
    if (grant_valid && grant_ready) told_reg[granted] <= 1'b1;
    if (request_valid) begin
      present_reg[new_row] <= 1'b1;
      told_reg[new_row] <= 1'b0;
      exclusive_reg[new_row] <= request_exclusive;
      first_reg[new_row] <= request_first;
      last_reg[new_row] <= request_last;
      context_reg[new_row] <= request_context;
      waits_on_reg[new_row] <= conflicts;
    end
    if (rst) present_reg <= {ROWS{1'b0}};
  end

  generate
    if (ROWS > 64) begin : gen_rows_check
      FUNCTIONS_times_ROWS_PER_FUNCTION_must_be_64_at_most check ();
    end
  endgenerate

`ifdef FORMAL
  `include "range_lock_properties.vh"
`endif

endmodule

`resetall
