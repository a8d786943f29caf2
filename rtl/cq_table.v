// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// cq_table: the rows of all completion queues.
//
// A row is {function, queue}. Slots are reserved before a command starts and used when its CQE is written, so a host
// that does not move its head stops itself only. A head doorbell is applied in its cycle.
//
// What a row counts stands in memories with one writer each; a row that was made anew has a bit for each of them that
// says so, and its counts read as 0. Whether there is room is a bit of each row, brought up to date for one row a cycle,
// two cycles after what has changed it; when a slot was taken there is none until then.

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
    output wire [(1<<ROW_WIDTH)-1:0] live,
    output wire [(1<<ROW_WIDTH)-1:0] room_one,
    output wire [(1<<ROW_WIDTH)-1:0] room_two,

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

  reg [63:0] address_memory[0:ROWS-1];
  reg [15:0] last_memory[0:ROWS-1];
  reg [5:0] vector_memory[0:ROWS-1];
  // By the head doorbell
  reg [15:0] head_memory[0:ROWS-1];
  // By the completion engine: {lap, tail}; reserved slots that were used or given up
  reg [16:0] tail_memory[0:ROWS-1];
  reg [15:0] settled_memory[0:ROWS-1];
  // By the dispatcher: slots reserved
  reg [15:0] reserved_memory[0:ROWS-1];
  // Which of them hold nothing yet
  reg [ROWS-1:0] head_new_reg, tail_new_reg, settled_new_reg, reserved_new_reg;
  reg [ROWS-1:0] live_reg, live_next, room_one_reg, room_two_reg;
  // Rows whose room has to be looked at again
  reg [ROWS-1:0] changed_reg, changed_next;

  // Slots from one to the other, going around
  function [15:0] distance(input [15:0] from, input [15:0] to, input [15:0] last);
    distance = to >= from ? to - from : to - from + last + 16'd1;
  endfunction

  // Head doorbell
  wire [15:0] head_last = last_memory[head_row];
  wire [15:0] head_now = head_new_reg[head_row] ? 16'd0 : head_memory[head_row];
  wire [16:0] head_tail = tail_new_reg[head_row] ? 17'd0 : tail_memory[head_row];
  wire [15:0] head_posted = distance(head_now, head_tail[15:0], head_last);
  wire [15:0] consumed = distance(head_now, head_value[15:0], head_last);
  wire head_good = head_valid && live_reg[head_row] && head_value[31:16] == 16'd0 && head_value[15:0] <= head_last &&
      consumed != 16'd0 && consumed <= head_posted;
  assign head_wrong_queue = head_valid && !live_reg[head_row];
  assign head_wrong_value = head_valid && live_reg[head_row] && !head_good;

  // The next slot. The phase bit of the first lap is 1.
  wire [15:0] post_last = last_memory[post_row];
  wire [16:0] post_now = tail_new_reg[post_row] ? 17'd0 : tail_memory[post_row];
  wire post_wraps = post_now[15:0] == post_last;
  assign post_address = address_memory[post_row] + {44'd0, post_now[15:0], 4'd0};
  assign post_phase = !post_now[16];
  assign post_two_slots = post_last == 16'd1;
  assign post_interrupts = vector_memory[post_row][5];
  assign post_vector = vector_memory[post_row][4:0];

  // Reserving, and what becomes of it
  wire [15:0] reserve_slots = reserve_two && last_memory[reserve_row] != 16'd1 ? 16'd2 : 16'd1;
  wire [15:0] reserved_now = reserved_new_reg[reserve_row] ? 16'd0 : reserved_memory[reserve_row];
  wire settles = (post_valid && !post_claims) || release_valid;
  wire [ROW_WIDTH-1:0] settled_row = release_valid ? release_row : post_row;
  wire [15:0] settled_now = settled_new_reg[settled_row] ? 16'd0 : settled_memory[settled_row];

  // The room of one row
  wire [ROW_WIDTH-1:0] fresh_row;
  lowest_bit #(
      .COUNT(ROWS),
      .WIDTH(ROW_WIDTH)
  ) changed_row (
      .bits  (changed_reg),
      .number(fresh_row)
  );
  wire [15:0] fresh_last = last_memory[fresh_row];
  wire [15:0] fresh_head = head_new_reg[fresh_row] ? 16'd0 : head_memory[fresh_row];
  wire [16:0] fresh_tail = tail_new_reg[fresh_row] ? 17'd0 : tail_memory[fresh_row];
  wire [15:0] fresh_reserved = reserved_new_reg[fresh_row] ? 16'd0 : reserved_memory[fresh_row];
  wire [15:0] fresh_settled = settled_new_reg[fresh_row] ? 16'd0 : settled_memory[fresh_row];
  wire [15:0] claimed = distance(fresh_head, fresh_tail[15:0], fresh_last) + fresh_reserved - fresh_settled;
  wire fresh_room = claimed < fresh_last;

  assign live = live_reg;
  assign room_one = room_one_reg & live_reg;
  assign room_two = room_two_reg & live_reg;

  integer f;
  always @* begin
    live_next = live_reg;
    if (create_valid) live_next[create_row] = 1'b1;
    if (remove_valid) live_next[remove_row] = 1'b0;
    for (f = 0; f < FUNCTIONS; f = f + 1) begin
      if (clear[f]) live_next[(f<<QUEUE_WIDTH)+:(1<<QUEUE_WIDTH)] = {(1 << QUEUE_WIDTH) {1'b0}};
    end

    changed_next = changed_reg & (changed_reg - 1'b1);
    if (head_good) changed_next[head_row] = 1'b1;
    if (post_valid) changed_next[post_row] = 1'b1;
    if (release_valid) changed_next[release_row] = 1'b1;
    if (reserve_valid) changed_next[reserve_row] = 1'b1;
    if (create_valid) changed_next[create_row] = 1'b1;
  end

  always @(posedge clk) begin
    live_reg <= live_next;
    changed_reg <= changed_next;
    if (|changed_reg) begin
      room_one_reg[fresh_row] <= fresh_room;
      room_two_reg[fresh_row] <= fresh_room && (fresh_last == 16'd1 || claimed + 16'd1 < fresh_last);
    end
    // What was just taken is not counted above.
    if (post_valid && post_claims) begin
      room_one_reg[post_row] <= 1'b0;
      room_two_reg[post_row] <= 1'b0;
    end
    if (reserve_valid) begin
      room_one_reg[reserve_row] <= 1'b0;
      room_two_reg[reserve_row] <= 1'b0;
    end

    if (head_good) begin
      head_memory[head_row]  <= head_value[15:0];
      head_new_reg[head_row] <= 1'b0;
    end
    if (post_valid) begin
      tail_memory[post_row]  <= post_wraps ? {!post_now[16], 16'd0} : post_now + 17'd1;
      tail_new_reg[post_row] <= 1'b0;
    end
    if (settles) begin
      settled_memory[settled_row]  <= settled_now + 16'd1;
      settled_new_reg[settled_row] <= 1'b0;
    end
    if (reserve_valid) begin
      reserved_memory[reserve_row]  <= reserved_now + reserve_slots;
      reserved_new_reg[reserve_row] <= 1'b0;
    end
    if (create_valid) begin
      address_memory[create_row] <= create_address;
      last_memory[create_row] <= create_last;
      vector_memory[create_row] <= {create_interrupts, create_vector};
      head_new_reg[create_row] <= 1'b1;
      tail_new_reg[create_row] <= 1'b1;
      settled_new_reg[create_row] <= 1'b1;
      reserved_new_reg[create_row] <= 1'b1;
      room_one_reg[create_row] <= 1'b0;
      room_two_reg[create_row] <= 1'b0;
    end
    if (rst) begin
      live_reg <= {ROWS{1'b0}};
      changed_reg <= {ROWS{1'b0}};
    end
  end

endmodule

`resetall
