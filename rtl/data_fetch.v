// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// data_fetch: the host's data of segments that have their buffers, by reads of at most MRRS within a host page.
//
// Functions, then queues take turns by bytes of a granule (what lies in one host page); a pair's Compare data come first,
// then the Write's. The granule that is chosen is asked for as a whole, two cycles later at the earliest. Nothing more is
// asked for when the command is dead; `asked` tells either way what needs no more asking.

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

    // A read is asked for, or left out, as its command has failed, perhaps since its piece was chosen; the last of the segment
    output wire                     asked_valid,
    input  wire                     asked_ready,
    output wire [CONTEXT_WIDTH-1:0] asked_context,
    output wire                     asked_slot,
    input  wire                     asked_dead,
    output wire                     asked_none,
    output wire                     asked_last
);

  localparam NUMBER_WIDTH = FUNCTION_WIDTH + 4;
  localparam NUMBERS = 1 << NUMBER_WIDTH;

  // Segments, and where they are: {half, its first granule comes, number of its next page, bytes of it to be asked for}
  reg [16:0] segment_memory[0:NUMBERS-1];
  reg [22:0] place_memory[0:NUMBERS-1];
  reg [NUMBERS-1:0] begun_reg;
  wire [NUMBER_WIDTH-1:0] start_number = {start_context[CONTEXT_WIDTH-1:5], start_context[3:0]};

  wire chosen_valid, take, take_last;
  wire [ROW_WIDTH-1:0] chosen_row;
  wire [12:0] chosen_bytes;
  wire look_valid;
  wire [12:0] look_cost;
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
      .look_cost(look_valid && !look_dead ? look_cost : 13'd0),
      .chosen_valid(chosen_valid),
      .chosen_row(chosen_row),
      .chosen_context(granule_context),
      .chosen_bytes(chosen_bytes),
      .take(take),
      .take_last(take_last)
  );
  wire unused = &{1'b0, chosen_row};

  // What the next granule of a command takes: up to the end of a page, in which only the first of a half does not begin
  // at the start
  wire [NUMBER_WIDTH-1:0] look_number = {look_context[CONTEXT_WIDTH-1:5], look_context[3:0]};
  wire [8:0] look_start;
  wire [5:0] look_sectors, look_index;
  wire look_two, look_slot, look_second, look_first;
  wire [14:0] look_stored, look_left;
  assign {look_start, look_sectors, look_two, look_slot} = segment_memory[look_number];
  assign {look_second, look_first, look_index, look_stored} = place_memory[look_number];
  assign look_left = begun_reg[look_number] ? look_stored : {look_sectors, 9'd0};
  wire look_begins = look_first || !begun_reg[look_number];
  wire [11:0] look_half_offset = look_second && begun_reg[look_number] ? look_second_offset : look_offset;
  wire [11:0] look_at = look_begins ? look_half_offset + {look_start[2:0], 9'd0} : 12'd0;
  wire [12:0] look_room = 13'd4096 - {1'b0, look_at};
  assign look_cost = look_left < {2'd0, look_room} ? look_left[12:0] : look_room;
  wire unused_look = &{1'b0, look_two, look_slot, look_index, look_start[8:3]};

  // The one that is chosen
  wire [NUMBER_WIDTH-1:0] number = {granule_context[CONTEXT_WIDTH-1:5], granule_context[3:0]};
  wire [8:0] start;
  wire [5:0] sectors, stored_index;
  wire two, slot, stored_second, stored_first;
  wire [14:0] stored_left;
  assign {start, sectors, two, slot} = segment_memory[number];
  assign {stored_second, stored_first, stored_index, stored_left} = place_memory[number];
  wire begun = begun_reg[number];
  wire second = stored_second && begun;
  wire begins = stored_first || !begun;
  wire [14:0] left = begun ? stored_left : {sectors, 9'd0};
  wire [17:0] at = {start, 9'd0} + {6'd0, second ? granule_second_offset : granule_offset};
  wire [5:0] index = begins ? at[17:12] : stored_index;
  wire half_ends = left == {2'd0, chosen_bytes};
  wire last = half_ends && (second || !two);
  wire [14:0] left_after = left - {2'd0, chosen_bytes};
  wire [5:0] index_after = index + 6'd1;
  wire [22:0] place_after = half_ends ? {1'b1, 1'b1, 6'd0, sectors, 9'd0} : {second, 1'b0, index_after, left_after};

  // The granule that is asked for
  reg active_reg, page_known_reg, last_reg, half_reg, slot_reg, dead_reg;
  reg [CONTEXT_WIDTH-1:0] context_reg;
  reg [11:0] in_page_reg;
  reg [13:2] dword_reg;
  reg [12:0] left_reg;
  reg [51:0] page_reg;
  wire [12:0] bytes = left_reg < most_bytes ? left_reg : most_bytes;
  wire stops = dead_reg || asked_dead;
  wire ends = stops || left_reg == bytes;
  wire goes = active_reg && asked_ready && (stops || read_ready);
  assign take = chosen_valid && (!active_reg || (goes && ends));
  assign take_last = last || granule_dead;
  assign page_set = second;
  assign page_index = index;

  assign read_valid = active_reg && !stops && asked_ready;
  assign read_address = {page_known_reg ? page_reg : page, in_page_reg};
  assign read_bytes = bytes;
  assign read_context = context_reg;
  assign read_half = half_reg;
  assign read_dword = dword_reg;
  assign asked_valid = active_reg && (stops || read_ready);
  assign asked_context = context_reg;
  assign asked_slot = slot_reg;
  assign asked_none = stops;
  assign asked_last = ends && last_reg;

  always @(posedge clk) begin
    if (start_valid) begin
      segment_memory[start_number] <= {start_sector, start_sectors, start_two, start_slot};
      begun_reg[start_number] <= 1'b0;
    end
    if (take) begin
      place_memory[number] <= place_after;
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
      half_reg <= second || slot;
      slot_reg <= slot;
      in_page_reg <= begins ? at[11:0] : 12'd0;
      dword_reg <= {sectors[4:0], 7'd0} - left[13:2];
      left_reg <= chosen_bytes;
    end
    if (rst) active_reg <= 1'b0;
  end

endmodule

`resetall
