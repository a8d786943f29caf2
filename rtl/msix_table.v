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

  // Dwords of each row, and which of them were cleared and not written since
  reg [31:0] low_memory [0:ROWS-1];
  reg [31:0] high_memory[0:ROWS-1];
  reg [31:0] data_memory[0:ROWS-1];
  reg [ROWS-1:0] low_new_reg, low_new_next, high_new_reg, high_new_next, data_new_reg, data_new_next;
  reg [ROWS-1:0] masked_reg, masked_next, pending_reg, pending_next;

  wire write_in = {24'd0, write_address[11:4]} < VECTORS;
  wire [ROW_WIDTH-1:0] write_row = {write_function, write_address[4+:VECTOR_WIDTH]};
  wire read_in = {24'd0, read_address[11:4]} < VECTORS;
  wire [ROW_WIDTH-1:0] read_row = {read_function, read_address[4+:VECTOR_WIDTH]};
  wire [(1<<VECTOR_WIDTH)-1:0] read_bits = pending_reg[{read_function, {VECTOR_WIDTH{1'b0}}}+:(1<<VECTOR_WIDTH)];
  reg [31:0] entry;
  always @* begin
    case (read_address[3:2])
      2'd0: entry = low_new_reg[read_row] ? 32'd0 : low_memory[read_row];
      2'd1: entry = high_new_reg[read_row] ? 32'd0 : high_memory[read_row];
      2'd2: entry = data_new_reg[read_row] ? 32'd0 : data_memory[read_row];
      default: entry = {31'd0, masked_reg[read_row]};
    endcase
    if (!read_in) entry = 32'd0;
    if (read_pending) entry = read_address == 10'd0 ? {{(32 - (1 << VECTOR_WIDTH)) {1'b0}}, read_bits} : 32'd0;
  end
  assign read_data = entry;

  wire [FUNCTION_WIDTH-1:0] raise_function = raise_row[ROW_WIDTH-1:VECTOR_WIDTH];
  wire raise_masked = masked_reg[raise_row] || mask[raise_function];
  assign raise_sends = raise_valid && enable[raise_function] && !raise_masked;
  assign raise_address = {
    high_new_reg[raise_row] ? 32'd0 : high_memory[raise_row], low_new_reg[raise_row] ? 32'd0 : low_memory[raise_row]
  };
  assign raise_data = data_new_reg[raise_row] ? 32'd0 : data_memory[raise_row];

  // Rows of functions
  reg [ROWS-1:0] sending_rows, clear_pending_rows, clear_table_rows;
  integer f;
  always @* begin
    sending_rows = {ROWS{1'b0}};
    clear_pending_rows = {ROWS{1'b0}};
    clear_table_rows = {ROWS{1'b0}};
    for (f = 0; f < FUNCTIONS; f = f + 1) begin
      sending_rows[(f<<VECTOR_WIDTH)+:(1<<VECTOR_WIDTH)] = {(1 << VECTOR_WIDTH) {enable[f] && !mask[f]}};
      clear_pending_rows[(f<<VECTOR_WIDTH)+:(1<<VECTOR_WIDTH)] = {(1 << VECTOR_WIDTH) {clear_pending[f]}};
      clear_table_rows[(f<<VECTOR_WIDTH)+:(1<<VECTOR_WIDTH)] = {(1 << VECTOR_WIDTH) {clear_table[f]}};
    end
  end

  wire [ROWS-1:0] found = pending_reg & ~masked_reg & sending_rows;
  wire [ROW_WIDTH-1:0] found_row;
  lowest_bit #(
      .COUNT(ROWS),
      .WIDTH(ROW_WIDTH)
  ) first_found (
      .bits  (found),
      .number(found_row)
  );
  assign pending_valid = |found;
  assign pending_row = found_row;
  assign pending_address = {
    high_new_reg[found_row] ? 32'd0 : high_memory[found_row], low_new_reg[found_row] ? 32'd0 : low_memory[found_row]
  };
  assign pending_data = data_new_reg[found_row] ? 32'd0 : data_memory[found_row];

  wire writes = write_valid && write_in;
  always @* begin
    low_new_next  = low_new_reg;
    high_new_next = high_new_reg;
    data_new_next = data_new_reg;
    masked_next   = masked_reg;
    if (writes) begin
      case (write_address[3:2])
        2'd0: low_new_next[write_row] = 1'b0;
        2'd1: high_new_next[write_row] = 1'b0;
        2'd2: data_new_next[write_row] = 1'b0;
        default: masked_next[write_row] = write_data[0];
      endcase
    end
    low_new_next  = low_new_next | clear_table_rows;
    high_new_next = high_new_next | clear_table_rows;
    data_new_next = data_new_next | clear_table_rows;
    masked_next   = masked_next | clear_table_rows;

    pending_next  = pending_reg;
    if (pending_valid && pending_taken) pending_next[found_row] = 1'b0;
    if (raise_valid && enable[raise_function]) pending_next[raise_row] = raise_masked;
    if (due_valid) pending_next[due_row] = 1'b1;
    pending_next = pending_next & ~clear_pending_rows;
  end

  always @(posedge clk) begin
    if (writes) begin
      case (write_address[3:2])
        2'd0: low_memory[write_row] <= {write_data[31:2], 2'b00};
        2'd1: high_memory[write_row] <= write_data;
        2'd2: data_memory[write_row] <= write_data;
        default: ;
      endcase
    end
    low_new_reg  <= low_new_next;
    high_new_reg <= high_new_next;
    data_new_reg <= data_new_next;
    masked_reg   <= masked_next;
    pending_reg  <= pending_next;
    if (rst) begin
      low_new_reg  <= {ROWS{1'b1}};
      high_new_reg <= {ROWS{1'b1}};
      data_new_reg <= {ROWS{1'b1}};
      masked_reg   <= {ROWS{1'b1}};
      pending_reg  <= {ROWS{1'b0}};
    end
  end

endmodule

`resetall
