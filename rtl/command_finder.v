// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// command_finder: where the command of a queue with some identifier stands: in its SQE FIFO, or in a context.
//
// From `begin_valid` on, one slot of the FIFO and one context are looked at each cycle, around and around, and what comes
// into either is watched: so the answer follows the command from its arrival in the FIFO to its end. It is `settled` when
// all have been looked at, unless the command is just on its way from FIFO to context. Slots whose command was aborted
// are empty for the finder; the dispatcher takes such commands all the same, and the decoder is told then.

`resetall
`timescale 1ns / 1ps
`default_nettype none

module command_finder #(
    // Width of a function's, a queue's, a row's and a context's number
    parameter FUNCTION_WIDTH = 3,
    parameter QUEUE_WIDTH = 3,
    parameter ROW_WIDTH = FUNCTION_WIDTH + QUEUE_WIDTH,
    parameter CONTEXT_WIDTH = FUNCTION_WIDTH + 5
) (
    input wire clk,
    input wire rst,

    // An identifier comes into a slot of a FIFO
    input  wire                     come_valid,
    input  wire [    ROW_WIDTH-1:0] come_row,
    input  wire [              3:0] come_slot,
    input  wire [             15:0] come_id,
    // One command, or two, are taken out; a cycle later: the first, the second had been aborted
    input  wire                     pop_valid,
    input  wire                     pop_two,
    input  wire [    ROW_WIDTH-1:0] pop_row,
    input  wire [              3:0] pop_slot,
    output reg  [              1:0] pop_aborted,
    // An I/O command has been decoded; its context is free again
    input  wire                     decoded_valid,
    input  wire [CONTEXT_WIDTH-1:0] decoded_context,
    input  wire [    ROW_WIDTH-1:0] decoded_row,
    input  wire                     decoded_two,
    input  wire [             15:0] decoded_id,
    input  wire [             15:0] decoded_second_id,
    input  wire [              1:0] decoded_aborted,
    input  wire                     free_valid,
    input  wire [CONTEXT_WIDTH-1:0] free_context,

    // The command to find; whole SQEs that are in its FIFO
    input wire                 begin_valid,
    input wire [ROW_WIDTH-1:0] row,
    input wire [         15:0] id,
    input wire [         15:0] there,

    output wire                     settled,
    // It is in the FIFO, and is not taken in this cycle; it can be marked as aborted, unless `mark_ready` is low
    output wire                     in_fifo,
    input  wire                     mark_valid,
    output wire                     mark_ready,
    // It is in a context: as the second half of a pair
    output wire                     in_context,
    output wire [CONTEXT_WIDTH-1:0] found_context,
    output wire                     found_second
);

  localparam FUNCTIONS = 1 << FUNCTION_WIDTH;
  localparam SLOTS = 1 << (ROW_WIDTH + 4);

  wire [FUNCTION_WIDTH-1:0] function_number = row[ROW_WIDTH-1:QUEUE_WIDTH];

  // What stands where
  reg [15:0] id_memory[0:SLOTS-1];
  reg aborted_memory[0:SLOTS-1];
  reg [QUEUE_WIDTH+34:0] context_memory[0:(16<<FUNCTION_WIDTH)-1];
  reg [15:0] open_reg[0:FUNCTIONS-1];

  reg found_reg, whole_reg, moving_reg, held_reg, held_second_reg, fresh_reg, passed_reg;
  reg [3:0] slot_reg, index_reg, last_reg;
  reg [CONTEXT_WIDTH-1:0] context_reg;

  wire [3:0] second_slot = pop_slot + 4'd1;
  wire takes_slot = pop_valid && pop_row == row && (pop_slot == slot_reg || (pop_two && second_slot == slot_reg));
  assign in_fifo = found_reg && there[slot_reg] && !takes_slot;
  assign mark_ready = !come_valid;
  assign in_context = held_reg && !(free_valid && free_context == context_reg);
  assign found_context = context_reg;
  assign found_second = held_second_reg;
  assign settled = passed_reg && !moving_reg && !takes_slot;

  wire write_aborted = come_valid || mark_valid;
  wire [ROW_WIDTH+3:0] aborted_place = come_valid ? {come_row, come_slot} : {row, slot_reg};

  // One of each is read a cycle and looked at in the next.
  reg [15:0] read_id_reg;
  reg read_aborted_reg, stale_reg;
  reg [QUEUE_WIDTH+34:0] read_context_reg;
  wire [QUEUE_WIDTH-1:0] read_queue;
  wire read_two;
  wire [1:0] read_aborted;
  wire [15:0] read_first_id, read_second_id;
  assign {read_queue, read_two, read_aborted, read_second_id, read_first_id} = read_context_reg;
  wire slot_hit = fresh_reg && read_id_reg == id && there[last_reg] && !read_aborted_reg;
  wire read_hit_first = read_first_id == id && !read_aborted[0];
  wire read_hit_second = read_two && read_second_id == id && !read_aborted[1];
  wire context_hit = fresh_reg && open_reg[function_number][last_reg] && !stale_reg && read_queue == row[QUEUE_WIDTH-1:0] &&
      (read_hit_first || read_hit_second);
  // What comes
  wire come_hit = come_valid && come_row == row && come_id == id;
  wire decoded_hit_first = decoded_id == id && !decoded_aborted[0];
  wire decoded_hit_second = decoded_two && decoded_second_id == id && !decoded_aborted[1];
  wire decoded_hit = decoded_valid && decoded_row == row && (decoded_hit_first || decoded_hit_second);
  wire [FUNCTION_WIDTH+3:0] decoded_number = {decoded_context[CONTEXT_WIDTH-1:5], decoded_context[3:0]};
  wire [FUNCTION_WIDTH+3:0] read_number = {function_number, index_reg};

  integer f;
  always @(posedge clk) begin
    if (come_valid) id_memory[{come_row, come_slot}] <= come_id;
    if (write_aborted) aborted_memory[aborted_place] <= !come_valid;
    pop_aborted <= {pop_two && aborted_memory[{pop_row, second_slot}], aborted_memory[{pop_row, pop_slot}]};
    if (decoded_valid)
      context_memory[decoded_number] <= {
        decoded_row[QUEUE_WIDTH-1:0], decoded_two, decoded_aborted, decoded_second_id, decoded_id
      };
    for (f = 0; f < FUNCTIONS; f = f + 1) begin
      if (decoded_valid && decoded_context[CONTEXT_WIDTH-1:5] == f[FUNCTION_WIDTH-1:0])
        open_reg[f][decoded_context[3:0]] <= 1'b1;
      if (free_valid && !free_context[4] && free_context[CONTEXT_WIDTH-1:5] == f[FUNCTION_WIDTH-1:0])
        open_reg[f][free_context[3:0]] <= 1'b0;
      if (rst) open_reg[f] <= 16'd0;
    end

    read_id_reg <= id_memory[{row, index_reg}];
    read_aborted_reg <= aborted_memory[{row, index_reg}];
    read_context_reg <= context_memory[read_number];
    stale_reg <= decoded_valid && decoded_number == read_number;
    index_reg <= index_reg + 4'd1;
    last_reg <= index_reg;
    fresh_reg <= 1'b1;
    if (fresh_reg && last_reg == 4'd15) passed_reg <= 1'b1;

    if (come_hit) begin
      found_reg <= 1'b1;
      whole_reg <= 1'b0;
      slot_reg  <= come_slot;
    end else if (!found_reg && slot_hit) begin
      found_reg <= 1'b1;
      whole_reg <= 1'b1;
      slot_reg  <= last_reg;
    end else if (there[slot_reg]) whole_reg <= 1'b1;
    else if (whole_reg) found_reg <= 1'b0;
    if (found_reg && takes_slot) begin
      found_reg  <= 1'b0;
      moving_reg <= 1'b1;
    end

    if (decoded_hit) begin
      held_reg <= 1'b1;
      held_second_reg <= !decoded_hit_first;
      context_reg <= decoded_context;
      moving_reg <= 1'b0;
    end else if (!held_reg && context_hit) begin
      held_reg <= 1'b1;
      held_second_reg <= !read_hit_first;
      context_reg <= {function_number, 1'b0, last_reg};
    end else if (free_valid && free_context == context_reg) held_reg <= 1'b0;

    if (rst || begin_valid) begin
      found_reg  <= 1'b0;
      moving_reg <= 1'b0;
      held_reg   <= 1'b0;
      passed_reg <= 1'b0;
      index_reg  <= 4'd0;
      last_reg   <= 4'd0;
      fresh_reg  <= 1'b0;
    end
  end

endmodule

`resetall
