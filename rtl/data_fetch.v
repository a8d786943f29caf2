// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// data_fetch: the host's data of segments that have their buffers, by reads of at most MRRS within a host page.
//
// Functions, then queues take turns by bytes of a granule (what lies in one host page); a pair's Compare data come first,
// then the Write's. The granule that is chosen is asked for as a whole, two cycles later at the earliest. Nothing more is
// asked for when the command is dead; `sent` tells either way that a segment needs no more asking.

`resetall
`timescale 1ns / 1ps
`default_nettype none

module data_fetch #(
    // Functions, and width of a function's number
    parameter FUNCTIONS = 7,
    parameter FUNCTION_WIDTH = 3,
    // Queues of each function, and width of a queue's number
    parameter QUEUES = 5,
    parameter QUEUE_WIDTH = 3,
    // Widths of a row's and of a context's number (derived)
    parameter ROW_WIDTH = FUNCTION_WIDTH + QUEUE_WIDTH,
    parameter CONTEXT_WIDTH = FUNCTION_WIDTH + 5
) (
    input wire clk,
    input wire rst,

    // Largest read in bytes
    input wire [12:0] most_bytes,

    // A segment: where it begins and how long it is, in sectors of 512 bytes
    input wire                     start_valid,
    input wire [    ROW_WIDTH-1:0] start_row,
    input wire [CONTEXT_WIDTH-1:0] start_context,
    input wire [              8:0] start_sector,
    input wire [              5:0] start_sectors,
    input wire                     start_two,
    input wire                     start_slot,

    // Two commands: offset of their data in the first host page, of both halves of a pair; they are dead
    output wire [CONTEXT_WIDTH-1:0] look_context,
    input  wire [             11:0] look_offset,
    input  wire [             11:0] look_second_offset,
    input  wire                     look_dead,
    output wire [CONTEXT_WIDTH-1:0] granule_context,
    input  wire [             11:0] granule_offset,
    input  wire [             11:0] granule_second_offset,
    input  wire                     granule_dead,

    // The host page of a granule, by its number among those of the command, in the cycle after
    output wire        page_set,
    output wire [ 5:0] page_index,
    input  wire [51:0] page,

    // A read: where its data go is {context without the admin bit, half, dword}
    output wire                     read_valid,
    input  wire                     read_ready,
    output wire [             63:0] read_address,
    output wire [             12:0] read_bytes,
    output wire [CONTEXT_WIDTH-1:0] read_context,
    output wire                     read_half,
    output wire [             11:0] read_dword,

    // A read is asked for, or left out; the last of the segment
    output wire                     asked_valid,
    input  wire                     asked_ready,
    output wire [CONTEXT_WIDTH-1:0] asked_context,
    output wire                     asked_slot,
    output wire                     asked_none,
    output wire                     asked_last
);

  localparam NUMBER_WIDTH = FUNCTION_WIDTH + 4;
  localparam NUMBERS = 1 << NUMBER_WIDTH;

  // Segments, and what is asked for of them: half and byte
  reg [16:0] segment_memory[0:NUMBERS-1];
  reg [15:0] asked_memory[0:NUMBERS-1];
  reg [NUMBERS-1:0] begun_reg;
  wire [NUMBER_WIDTH-1:0] start_number = {start_context[CONTEXT_WIDTH-1:5], start_context[3:0]};

  wire chosen_valid, take, take_last;
  wire [ROW_WIDTH-1:0] chosen_row;
  wire [12:0] chosen_bytes;
  wire look_valid;
  wire [12:0] costs[0:1];
  fair_turns #(
      .FUNCTIONS(FUNCTIONS),
      .FUNCTION_WIDTH(FUNCTION_WIDTH),
      .QUEUES(QUEUES),
      .QUEUE_WIDTH(QUEUE_WIDTH)
  ) turns (
      .clk(clk),
      .rst(rst),
      .push_valid(start_valid),
      .push_row(start_row),
      .push_context(start_context),
      .look_valid(look_valid),
      .look_context(look_context),
      .look_cost(look_valid && !look_dead ? costs[0] : 13'd0),
      .chosen_valid(chosen_valid),
      .chosen_row(chosen_row),
      .chosen_context(granule_context),
      .chosen_bytes(chosen_bytes),
      .take(take),
      .take_last(take_last)
  );
  wire unused = &{1'b0, chosen_row, chosen_bytes};

  // The next granule of a command: of the one whose cost is asked, and of the one that is chosen
  wire [1:0] last, set, slot;
  wire [5:0] index[0:1];
  wire [11:0] in_page[0:1];
  wire [13:2] dword[0:1];
  wire [15:0] asked_next[0:1];
  genvar s;
  generate
    for (s = 0; s < 2; s = s + 1) begin : gen_side
      wire [CONTEXT_WIDTH-1:0] command = s == 0 ? look_context : granule_context;
      wire [NUMBER_WIDTH-1:0] own_number = {command[CONTEXT_WIDTH-1:5], command[3:0]};
      wire [8:0] start;
      wire [5:0] sectors;
      wire two, second;
      wire [14:0] at_byte;
      assign {start, sectors, two, slot[s]} = segment_memory[own_number];
      assign {second, at_byte} = begun_reg[own_number] ? asked_memory[own_number] : 16'd0;
      wire [11:0] offset = second ? (s == 0 ? look_second_offset : granule_second_offset) : (s == 0 ? look_offset : granule_offset);
      wire [18:0] at = {1'b0, start, 9'd0} + {4'd0, at_byte} + {7'd0, offset};
      wire [12:0] room = 13'd4096 - {1'b0, at[11:0]};
      wire [14:0] left = {sectors, 9'd0} - at_byte;
      wire half_ends = left <= {2'd0, room};
      assign costs[s] = half_ends ? left[12:0] : room;
      assign set[s] = second;
      assign last[s] = half_ends && (second || !two);
      assign index[s] = at[17:12];
      assign in_page[s] = at[11:0];
      assign dword[s] = at_byte[13:2];
      assign asked_next[s] = half_ends ? {1'b1, 15'd0} : {second, at_byte + {2'd0, costs[s]}};
    end
  endgenerate
  wire [NUMBER_WIDTH-1:0] number = {granule_context[CONTEXT_WIDTH-1:5], granule_context[3:0]};

  // The granule that is asked for
  reg active_reg, page_known_reg, last_reg, half_reg, slot_reg, dead_reg;
  reg [CONTEXT_WIDTH-1:0] context_reg;
  reg [11:0] in_page_reg;
  reg [13:2] dword_reg;
  reg [12:0] left_reg;
  reg [51:0] page_reg;
  wire [12:0] bytes = left_reg < most_bytes ? left_reg : most_bytes;
  wire ends = dead_reg || left_reg == bytes;
  wire goes = active_reg && asked_ready && (dead_reg || read_ready);
  assign take = chosen_valid && (!active_reg || (goes && ends));
  assign take_last = last[1] || granule_dead;
  assign page_set = set[1];
  assign page_index = index[1];

  assign read_valid = active_reg && !dead_reg && asked_ready;
  assign read_address = {page_known_reg ? page_reg : page, in_page_reg};
  assign read_bytes = bytes;
  assign read_context = context_reg;
  assign read_half = half_reg;
  assign read_dword = dword_reg;
  assign asked_valid = active_reg && (dead_reg || read_ready);
  assign asked_context = context_reg;
  assign asked_slot = slot_reg;
  assign asked_none = dead_reg;
  assign asked_last = ends && last_reg;

  always @(posedge clk) begin
    if (start_valid) begin
      segment_memory[start_number] <= {start_sector, start_sectors, start_two, start_slot};
      begun_reg[start_number] <= 1'b0;
    end
    if (take) begin
      asked_memory[number] <= asked_next[1];
      begun_reg[number] <= 1'b1;
    end

    page_known_reg <= 1'b1;
    page_reg <= page_known_reg ? page_reg : page;
    if (goes) begin
      active_reg  <= !ends;
      in_page_reg <= in_page_reg + bytes[11:0];
      dword_reg   <= dword_reg + {1'b0, bytes[12:2]};
      left_reg    <= left_reg - bytes;
    end
    if (take) begin
      active_reg <= 1'b1;
      page_known_reg <= 1'b0;
      context_reg <= granule_context;
      dead_reg <= granule_dead;
      last_reg <= take_last;
      half_reg <= set[1] || slot[1];
      slot_reg <= slot[1];
      in_page_reg <= in_page[1];
      dword_reg <= dword[1];
      left_reg <= costs[1];
    end
    if (rst) active_reg <= 1'b0;
  end

endmodule

`resetall
