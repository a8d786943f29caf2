// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// cq_table: the rows of all completion queues.
//
// A row is {function, queue}. Slots are reserved before a command starts and used when its CQE is written, so a host
// that does not move its head stops itself only. A head doorbell is applied in its cycle.

`resetall
`timescale 1ns / 1ps
`default_nettype none

module cq_table #(
    // Functions, and width of a function's number
    parameter FUNCTIONS = 7,
    parameter FUNCTION_WIDTH = 3,
    // Width of a queue's number
    parameter QUEUE_WIDTH = 3,
    // Width of a row's number (derived)
    parameter ROW_WIDTH = FUNCTION_WIDTH + QUEUE_WIDTH
) (
    input wire clk,
    input wire rst,

    // Functions that lose all of their queues
    input wire [FUNCTIONS-1:0] clear,

    // A head doorbell, in this cycle
    input  wire                 head_valid,
    input  wire [ROW_WIDTH-1:0] head_row,
    input  wire [         31:0] head_value,
    output wire                 head_wrong_queue,
    output wire                 head_wrong_value,

    // Makes a queue
    input wire                 create_valid,
    input wire [ROW_WIDTH-1:0] create_row,
    input wire [         63:0] create_address,
    input wire [         15:0] create_last,
    input wire                 create_interrupts,
    input wire [          4:0] create_vector,
    // Deletes one
    input wire                 remove_valid,
    input wire [ROW_WIDTH-1:0] remove_row,

    // By row: it is there; one slot is free; so many as a pair begins with are: two, or one of a queue of two slots
    output reg [(1<<ROW_WIDTH)-1:0] live,
    output reg [(1<<ROW_WIDTH)-1:0] room_one,
    output reg [(1<<ROW_WIDTH)-1:0] room_two,

    // Reserves one slot, or those of a pair; gives up one that will not be used
    input wire                 reserve_valid,
    input wire                 reserve_two,
    input wire [ROW_WIDTH-1:0] reserve_row,
    input wire                 release_valid,
    input wire [ROW_WIDTH-1:0] release_row,

    // The next slot of a row, and using it up
    input  wire [ROW_WIDTH-1:0] post_row,
    input  wire                 post_valid,
    // The slot was not reserved
    input  wire                 post_claims,
    output wire [         63:0] post_address,
    output wire                 post_phase,
    output wire                 post_two_slots,
    output wire                 post_interrupts,
    output wire [          4:0] post_vector
);

  localparam ROWS = 1 << ROW_WIDTH;

  reg [63:0] address_reg[0:ROWS-1];
  reg [15:0] last_reg[0:ROWS-1];
  reg [15:0] head_reg[0:ROWS-1];
  reg [15:0] tail_reg[0:ROWS-1];
  // Slots that are posted and not taken by the host, and those with the reserved ones
  reg [15:0] posted_reg[0:ROWS-1];
  reg [15:0] claimed_reg[0:ROWS-1];
  reg [5:0] vector_reg[0:ROWS-1];
  reg [ROWS-1:0] live_reg, phase_reg;

  wire [15:0] head_last = last_reg[head_row];
  wire [15:0] consumed = head_value[15:0] >= head_reg[head_row] ? head_value[15:0] - head_reg[head_row] :
      head_value[15:0] - head_reg[head_row] + head_last + 16'd1;
  wire head_good = live_reg[head_row] && head_value[31:16] == 16'd0 && head_value[15:0] <= head_last &&
      consumed != 16'd0 && consumed <= posted_reg[head_row];
  assign head_wrong_queue = head_valid && !live_reg[head_row];
  assign head_wrong_value = head_valid && live_reg[head_row] && !head_good;

  assign post_address = address_reg[post_row] + {44'd0, tail_reg[post_row], 4'd0};
  assign post_phase = phase_reg[post_row];
  assign post_two_slots = last_reg[post_row] == 16'd1;
  assign post_interrupts = vector_reg[post_row][5];
  assign post_vector = vector_reg[post_row][4:0];

  wire [15:0] reserve_slots = reserve_two && last_reg[reserve_row] != 16'd1 ? 16'd2 : 16'd1;

  integer r;
  always @* begin
    live = live_reg;
    for (r = 0; r < ROWS; r = r + 1) begin
      room_one[r] = live_reg[r] && claimed_reg[r] < last_reg[r];
      room_two[r] = room_one[r] && (last_reg[r] == 16'd1 || claimed_reg[r] + 16'd1 < last_reg[r]);
    end
  end

  integer q;
  always @(posedge clk) begin
    if (head_valid && head_good) head_reg[head_row] <= head_value[15:0];
    for (q = 0; q < ROWS; q = q + 1) begin
      posted_reg[q] <= posted_reg[q] + {15'd0, post_valid && post_row == q[ROW_WIDTH-1:0]} -
          (head_valid && head_good && head_row == q[ROW_WIDTH-1:0] ? consumed : 16'd0);
      claimed_reg[q] <= claimed_reg[q] +
          (reserve_valid && reserve_row == q[ROW_WIDTH-1:0] ? reserve_slots : 16'd0) +
          {15'd0, post_valid && post_claims && post_row == q[ROW_WIDTH-1:0]} -
          {15'd0, release_valid && release_row == q[ROW_WIDTH-1:0]} -
          (head_valid && head_good && head_row == q[ROW_WIDTH-1:0] ? consumed : 16'd0);
    end
    if (post_valid) begin
      tail_reg[post_row]  <= tail_reg[post_row] == last_reg[post_row] ? 16'd0 : tail_reg[post_row] + 16'd1;
      phase_reg[post_row] <= phase_reg[post_row] ^ (tail_reg[post_row] == last_reg[post_row]);
    end
    if (create_valid) begin
      live_reg[create_row] <= 1'b1;
      phase_reg[create_row] <= 1'b1;
      address_reg[create_row] <= create_address;
      last_reg[create_row] <= create_last;
      head_reg[create_row] <= 16'd0;
      tail_reg[create_row] <= 16'd0;
      posted_reg[create_row] <= 16'd0;
      claimed_reg[create_row] <= 16'd0;
      vector_reg[create_row] <= {create_interrupts, create_vector};
    end
    if (remove_valid) live_reg[remove_row] <= 1'b0;
    for (q = 0; q < ROWS; q = q + 1)
    if (rst || (q >> QUEUE_WIDTH < FUNCTIONS && clear[q>>QUEUE_WIDTH])) begin
      live_reg[q] <= 1'b0;
      posted_reg[q] <= 16'd0;
      claimed_reg[q] <= 16'd0;
    end
  end

endmodule

`resetall
