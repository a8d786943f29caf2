// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// interrupt_coalescing: which completions are told at once, and when the others are (NVMe 1.1 §5.12.1.8, §5.12.1.9).
//
// Completions of I/O queues are counted by vector. The one that reaches the threshold is told; else the message is due
// when the aggregation time since the first of them is over. Times are looked at in turn, a vector each cycle, so a
// message may come as many cycles late as there are vectors. Nothing is counted while MSI-X is off.

`resetall
`timescale 1ns / 1ps
`default_nettype none

module interrupt_coalescing #(
    // Functions, and width of a function's number
    parameter FUNCTIONS = 7,
    parameter FUNCTION_WIDTH = 3,
    // Width of a vector's number
    parameter VECTOR_WIDTH = 3,
    // Width of a row's number (derived)
    parameter ROW_WIDTH = FUNCTION_WIDTH + VECTOR_WIDTH,
    // Cycles of the unit of aggregation time, 100 us
    parameter UNIT_CYCLES = 12500
) (
    input wire clk,
    input wire rst,

    // Functions that forget their completions; those that may send messages
    input wire [FUNCTIONS-1:0] clear,
    input wire [FUNCTIONS-1:0] enable,
    // Each function's features, side by side: {time, threshold - 1}, and a bit for each vector that is left out
    input wire [16*FUNCTIONS-1:0] settings,
    input wire [32*FUNCTIONS-1:0] left_out,

    // One completion, or two, with a vector: not in two cycles in a row. Is a message to go now?
    input  wire                 completed_valid,
    input  wire [ROW_WIDTH-1:0] completed_row,
    input  wire                 completed_two,
    input  wire                 completed_io,
    output wire                 completed_tells,

    // In this cycle the time of a vector is over: its message goes
    output wire                 due_valid,
    output wire [ROW_WIDTH-1:0] due_row,

    // Completions are held back: something will be due
    output wire busy
);

  localparam ROWS = 1 << ROW_WIDTH;
  // 255 units, and a sign for what is over
  localparam TIME_WIDTH = 23;

  reg [ROWS-1:0] armed_reg;
  reg [7:0] count_memory[0:ROWS-1];
  reg [TIME_WIDTH-1:0] deadline_memory[0:ROWS-1];
  reg [TIME_WIDTH-1:0] now_reg;
  reg [ROW_WIDTH-1:0] scan_reg;

  // A completion
  wire [FUNCTION_WIDTH-1:0] completed_function = completed_row[ROW_WIDTH-1:VECTOR_WIDTH];
  wire [4:0] completed_vector = {{(5 - VECTOR_WIDTH) {1'b0}}, completed_row[VECTOR_WIDTH-1:0]};
  wire [15:0] setting = settings[16*completed_function+:16];
  wire coalesces = completed_io && setting[7:0] != 8'd0 && setting[15:8] != 8'd0 &&
      !left_out[{completed_function, completed_vector}];
  wire was_armed = armed_reg[completed_row];
  wire [8:0] total = {1'b0, was_armed ? count_memory[completed_row] : 8'd0} + (completed_two ? 9'd2 : 9'd1);
  wire reaches = total > {1'b0, setting[7:0]};
  wire counts = completed_valid && enable[completed_function];
  wire holds = coalesces && !reaches;
  assign completed_tells = completed_valid && !holds;

  // What is held is written in the cycle after.
  reg held_reg, held_first_reg;
  reg [ROW_WIDTH-1:0] held_row_reg;
  reg [7:0] held_count_reg, held_time_reg;
  wire [TIME_WIDTH-1:0] held_cycles = {{(TIME_WIDTH - 8) {1'b0}}, held_time_reg} * UNIT_CYCLES[TIME_WIDTH-1:0];

  // Whose time is over
  wire [FUNCTION_WIDTH-1:0] scan_function = scan_reg[ROW_WIDTH-1:VECTOR_WIDTH];
  wire [TIME_WIDTH-1:0] over = now_reg - deadline_memory[scan_reg];
  wire stands = (completed_valid && completed_row == scan_reg) || (held_reg && held_row_reg == scan_reg);
  wire ends = armed_reg[scan_reg] && !over[TIME_WIDTH-1] && !stands;
  assign due_valid = ends && enable[scan_function];
  assign due_row   = scan_reg;
  assign busy      = held_reg || |armed_reg;

  integer f;
  always @(posedge clk) begin
    now_reg <= now_reg + 1'b1;
    if (!stands) scan_reg <= scan_reg + 1'b1;
    if (ends) armed_reg[scan_reg] <= 1'b0;
    if (counts && !holds) armed_reg[completed_row] <= 1'b0;

    held_reg <= counts && holds;
    held_first_reg <= !was_armed;
    held_row_reg <= completed_row;
    held_count_reg <= total[7:0];
    held_time_reg <= setting[15:8];
    if (held_reg) begin
      armed_reg[held_row_reg] <= 1'b1;
      count_memory[held_row_reg] <= held_count_reg;
      // The cycle that has passed counts.
      if (held_first_reg) deadline_memory[held_row_reg] <= now_reg + held_cycles - 1'b1;
    end

    for (f = 0; f < FUNCTIONS; f = f + 1) begin
      if (clear[f]) armed_reg[(f<<VECTOR_WIDTH)+:(1<<VECTOR_WIDTH)] <= {(1 << VECTOR_WIDTH) {1'b0}};
    end
    if (rst) begin
      armed_reg <= {ROWS{1'b0}};
      held_reg  <= 1'b0;
      now_reg   <= {TIME_WIDTH{1'b0}};
      scan_reg  <= {ROW_WIDTH{1'b0}};
    end
  end

endmodule

`resetall
