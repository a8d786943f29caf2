// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// msix_table: the MSI-X table and pending bits of every function (PCI Local Bus 3.0 §6.8.2).
//
// `raise` asks for the message of a vector: it is answered in the same cycle by what to send, or its pending bit is set.
// A pending message whose masks have gone is offered on `pending_valid` until it is taken.

`resetall
`timescale 1ns / 1ps
`default_nettype none

module msix_table #(
    // Functions, and width of a function's number
    parameter FUNCTIONS = 7,
    parameter FUNCTION_WIDTH = 3,
    // Vectors of a function, and width of a vector's number
    parameter VECTORS = 5,
    parameter VECTOR_WIDTH = 3,
    // Width of a row's number (derived)
    parameter ROW_WIDTH = FUNCTION_WIDTH + VECTOR_WIDTH
) (
    input wire clk,
    input wire rst,

    // Side-bands
    input wire [FUNCTIONS-1:0] enable,
    input wire [FUNCTIONS-1:0] mask,
    // Functions that lose their pending messages, and their tables
    input wire [FUNCTIONS-1:0] clear_pending,
    input wire [FUNCTIONS-1:0] clear_table,

    // A dword from a host, within the table
    input wire                      write_valid,
    input wire [FUNCTION_WIDTH-1:0] write_function,
    input wire [              11:2] write_address,
    input wire [              31:0] write_data,

    // A dword to a host: of the table, or of the pending bits
    input  wire [FUNCTION_WIDTH-1:0] read_function,
    input  wire [              11:2] read_address,
    input  wire                      read_pending,
    output wire [              31:0] read_data,

    // A completion queue's message
    input  wire                 raise_valid,
    input  wire [ROW_WIDTH-1:0] raise_row,
    output wire                 raise_sends,
    output wire [         63:0] raise_address,
    output wire [         31:0] raise_data,
    // A message that was held back is due: it becomes a pending one
    input  wire                 due_valid,
    input  wire [ROW_WIDTH-1:0] due_row,

    // A message whose mask has gone
    output wire                 pending_valid,
    input  wire                 pending_taken,
    output wire [ROW_WIDTH-1:0] pending_row,
    output wire [         63:0] pending_address,
    output wire [         31:0] pending_data
);

  localparam ROWS = 1 << ROW_WIDTH;

  reg [63:0] address_reg[0:ROWS-1];
  reg [31:0] data_reg[0:ROWS-1];
  reg [ROWS-1:0] masked_reg, pending_reg;

  wire write_in = {24'd0, write_address[11:4]} < VECTORS;
  wire [ROW_WIDTH-1:0] write_row = {write_function, write_address[4+:VECTOR_WIDTH]};
  wire read_in = {24'd0, read_address[11:4]} < VECTORS;
  wire [ROW_WIDTH-1:0] read_row = {read_function, read_address[4+:VECTOR_WIDTH]};
  wire [(1<<VECTOR_WIDTH)-1:0] read_bits = pending_reg[{read_function, {VECTOR_WIDTH{1'b0}}}+:(1<<VECTOR_WIDTH)];
  reg [31:0] entry;
  always @* begin
    case (read_address[3:2])
      2'd0: entry = address_reg[read_row][31:0];
      2'd1: entry = address_reg[read_row][63:32];
      2'd2: entry = data_reg[read_row];
      default: entry = {31'd0, masked_reg[read_row]};
    endcase
    if (!read_in) entry = 32'd0;
    if (read_pending) entry = read_address == 10'd0 ? {{(32 - (1 << VECTOR_WIDTH)) {1'b0}}, read_bits} : 32'd0;
  end
  assign read_data = entry;

  wire [FUNCTION_WIDTH-1:0] raise_function = raise_row[ROW_WIDTH-1:VECTOR_WIDTH];
  wire raise_masked = masked_reg[raise_row] || mask[raise_function];
  assign raise_sends = raise_valid && enable[raise_function] && !raise_masked;
  assign raise_address = address_reg[raise_row];
  assign raise_data = data_reg[raise_row];

  integer r;
  reg found;
  reg [ROW_WIDTH-1:0] found_row;
  always @* begin
    found = 1'b0;
    found_row = {ROW_WIDTH{1'b0}};
    for (r = 0; r < (FUNCTIONS << VECTOR_WIDTH); r = r + 1)
    if (!found && pending_reg[r] && !masked_reg[r] && enable[r>>VECTOR_WIDTH] && !mask[r>>VECTOR_WIDTH]) begin
      found = 1'b1;
      found_row = r[ROW_WIDTH-1:0];
    end
  end
  assign pending_valid = found;
  assign pending_row = found_row;
  assign pending_address = address_reg[found_row];
  assign pending_data = data_reg[found_row];

  integer f;
  always @(posedge clk) begin
    if (write_valid && write_in) begin
      case (write_address[3:2])
        2'd0: address_reg[write_row][31:0] <= {write_data[31:2], 2'b00};
        2'd1: address_reg[write_row][63:32] <= write_data;
        2'd2: data_reg[write_row] <= write_data;
        default: masked_reg[write_row] <= write_data[0];
      endcase
    end
    if (pending_valid && pending_taken) pending_reg[found_row] <= 1'b0;
    if (raise_valid && enable[raise_function]) pending_reg[raise_row] <= raise_masked;
    if (due_valid) pending_reg[due_row] <= 1'b1;
    for (f = 0; f < ROWS; f = f + 1) begin
      if (f >> VECTOR_WIDTH < FUNCTIONS) begin
        if (clear_pending[f>>VECTOR_WIDTH]) pending_reg[f] <= 1'b0;
        if (clear_table[f>>VECTOR_WIDTH] || rst) begin
          masked_reg[f]  <= 1'b1;
          address_reg[f] <= 64'd0;
          data_reg[f]    <= 32'd0;
        end
      end
    end
    if (rst) pending_reg <= {ROWS{1'b0}};
  end

endmodule

`resetall
