// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// buffer_turns: to whom a function's free buffers go: its queues in turn by bytes, a queue's commands in order.
//
// A command waits at most once. It gets the buffers of its segment all or none; who has the turn and finds too few keeps
// it until some come back. A command that is dead passes without buffers. A function is looked at when something was
// pushed or came back, in the next cycle when nothing else is to be done.

`resetall
`timescale 1ns / 1ps
`default_nettype none

module buffer_turns #(
    // Functions, and width of a function's number
    parameter FUNCTIONS = 7,
    parameter FUNCTION_WIDTH = 3,
    // Queues of each function, and width of a queue's number
    parameter QUEUES = 5,
    parameter QUEUE_WIDTH = 3,
    // Width of what stands behind the context's number in an entry
    parameter SEGMENT_WIDTH = 18,
    // Widths of a row's number and of a context's without the admin bit (derived)
    parameter ROW_WIDTH = FUNCTION_WIDTH + QUEUE_WIDTH,
    parameter NUMBER_WIDTH = FUNCTION_WIDTH + 4
) (
    input wire clk,
    input wire rst,

    // A command waits: sectors of its segment (1 to 32), of both halves of a pair, and what its user keeps with it
    input wire                     push_valid,
    input wire [    ROW_WIDTH-1:0] push_row,
    input wire [              3:0] push_number,
    input wire [              5:0] push_sectors,
    input wire                     push_two,
    input wire [SEGMENT_WIDTH-1:0] push_segment,

    // Buffers of a function have come back
    input wire                      free_valid,
    input wire [FUNCTION_WIDTH-1:0] free_function,

    // The function that is looked at, and its free buffers; nothing can be given while held
    output wire [FUNCTION_WIDTH-1:0] room_function,
    input  wire [               4:0] room,
    input  wire                      hold,

    // The command that is next, and whether it is dead
    output wire [NUMBER_WIDTH-1:0] next_number,
    input  wire                    next_dead,

    // It gets its buffers, or passes without
    output wire                     give_valid,
    output wire                     pass_valid,
    output wire [    ROW_WIDTH-1:0] give_row,
    output wire [              2:0] give_pages,
    output wire [              5:0] give_sectors,
    output wire                     give_two,
    output wire [SEGMENT_WIDTH-1:0] give_segment
);

  localparam ROWS = 1 << ROW_WIDTH;
  localparam ENTRY = 4 + 6 + 1 + SEGMENT_WIDTH;
  // A segment of a pair: 32 KiB
  localparam COST = 16;

  reg active_reg;
  reg [FUNCTION_WIDTH-1:0] function_reg;
  reg [FUNCTIONS-1:0] try_reg;
  reg [ROWS-1:0] waits_reg;
  reg [3:0] write_reg[0:ROWS-1];
  reg [3:0] read_reg[0:ROWS-1];
  wire [FUNCTION_WIDTH-1:0] push_function = push_row[ROW_WIDTH-1:QUEUE_WIDTH];
  wire [3:0] push_place = write_reg[push_row];

  // The oldest command of each queue of the function, a memory for each queue
  wire [QUEUES*ENTRY-1:0] entries;
  wire [QUEUES*COST-1:0] costs;
  wire [FUNCTIONS*QUEUES-1:0] active;
  genvar q, f;
  generate
    for (q = 0; q < QUEUES; q = q + 1) begin : gen_queue
      reg [ENTRY-1:0] entry_memory[0:(FUNCTIONS<<4)-1];
      wire [3:0] place = read_reg[{function_reg, q[QUEUE_WIDTH-1:0]}];
      wire [ENTRY-1:0] entry = entry_memory[{function_reg, place}];
      wire [5:0] sectors = entry[SEGMENT_WIDTH+1+:6];
      assign entries[q*ENTRY+:ENTRY] = entry;
      assign costs[q*COST+:COST] = entry[SEGMENT_WIDTH] ? {sectors, 10'd0} : {1'b0, sectors, 9'd0};
      always @(posedge clk)
        if (push_valid && push_row[QUEUE_WIDTH-1:0] == q)
          entry_memory[{push_function, push_place}] <= {push_number, push_sectors, push_two, push_segment};
      for (f = 0; f < FUNCTIONS; f = f + 1) begin : gen_function
        assign active[f*QUEUES+q] = waits_reg[(f<<QUEUE_WIDTH)+q];
      end
    end
  endgenerate

  wire chosen_valid, gives, passes;
  wire [QUEUE_WIDTH-1:0] chosen;
  wire looks = active_reg && !hold;
  drr_arbiter #(
      .ARBITERS(FUNCTIONS),
      .ARBITER_WIDTH(FUNCTION_WIDTH),
      .ROWS(QUEUES),
      .ROW_WIDTH(QUEUE_WIDTH),
      .COST_WIDTH(COST),
      .DEFICIT_WIDTH(COST + 2)
  ) turns (
      .clk(clk),
      .rst(rst),
      .active(active),
      .arbiter(function_reg),
      .allowed({QUEUES{1'b1}}),
      .costs(costs),
      .chosen_valid(chosen_valid),
      .chosen(chosen),
      .select(looks),
      .charge(gives)
  );

  wire [ENTRY-1:0] chosen_entry = entries[chosen*ENTRY+:ENTRY];
  wire [3:0] number = chosen_entry[ENTRY-1-:4];
  assign give_sectors = chosen_entry[SEGMENT_WIDTH+1+:6];
  assign give_two = chosen_entry[SEGMENT_WIDTH];
  assign give_segment = chosen_entry[SEGMENT_WIDTH-1:0];
  assign give_pages = give_sectors[5:3] + {2'd0, |give_sectors[2:0]};
  assign give_row = {function_reg, chosen};
  wire [3:0] needed = give_two ? {give_pages, 1'b0} : {1'b0, give_pages};
  assign room_function = function_reg;
  assign next_number = {function_reg, number};
  assign passes = looks && chosen_valid && next_dead;
  assign gives = looks && chosen_valid && !next_dead && {1'b0, needed} <= room;
  assign give_valid = gives;
  assign pass_valid = passes;

  // The last of its row goes
  wire [3:0] next_place = read_reg[give_row] + 4'd1;
  wire pops = gives || passes;
  wire empties = pops && next_place == write_reg[give_row] && !(push_valid && push_row == give_row);

  wire any;
  wire [FUNCTION_WIDTH-1:0] turn_function;
  round_robin #(
      .COUNT(FUNCTIONS),
      .WIDTH(FUNCTION_WIDTH)
  ) turn (
      .request(try_reg),
      .from(function_reg),
      .chosen(turn_function),
      .valid(any)
  );

  integer r;
  always @(posedge clk) begin
    if (push_valid) begin
      write_reg[push_row] <= push_place + 4'd1;
      waits_reg[push_row] <= 1'b1;
    end
    if (pops) read_reg[give_row] <= next_place;
    if (empties) waits_reg[give_row] <= 1'b0;

    // Who has looked in vain gives way.
    if (!active_reg || (looks && !pops)) begin
      active_reg   <= any || push_valid;
      function_reg <= any ? turn_function : push_function;
      if (any) try_reg[turn_function] <= 1'b0;
      if (any && push_valid) try_reg[push_function] <= 1'b1;
    end else if (push_valid) try_reg[push_function] <= 1'b1;
    if (free_valid) try_reg[free_function] <= 1'b1;

    if (rst) begin
      active_reg <= 1'b0;
      function_reg <= {FUNCTION_WIDTH{1'b0}};
      try_reg <= {FUNCTIONS{1'b0}};
      waits_reg <= {ROWS{1'b0}};
      for (r = 0; r < ROWS; r = r + 1) begin
        write_reg[r] <= 4'd0;
        read_reg[r]  <= 4'd0;
      end
    end
  end

endmodule

`resetall
