// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// lock_stage: what waits for the range lock, and where a grant goes.
//
// Each function has a FIFO of Reads and one of segments whose data are there; functions with a free row take turns, one
// request a cycle, segments first: there is one in a data phase, and Reads come every four cycles. The move table tells
// what a command's lock is for, from its request to its release. A grant of a dead command goes to nobody
// but `dropped`.

`resetall
`timescale 1ns / 1ps
`default_nettype none

module lock_stage #(
    // Functions, and width of a function's number
    parameter FUNCTIONS = 7,
    parameter FUNCTION_WIDTH = 3,
    // Rows of the range lock for each function
    parameter LOCK_ROWS = 7,
    // Width of a byte address of the medium
    parameter ADDRESS_WIDTH = 40,
    // Atomic unit in bytes
    parameter ATOMIC_UNIT_BYTES = 16384,
    // Width of a context's number (derived)
    parameter CONTEXT_WIDTH = FUNCTION_WIDTH + 5
) (
    input wire clk,
    input wire rst,

    // Commands that move nothing any more, by their number without the admin bit
    input wire [(1<<(FUNCTION_WIDTH+4))-1:0] dead,

    // A Read; a segment, which begins at a sector of its command
    input wire                     read_valid,
    input wire [CONTEXT_WIDTH-1:0] read_context,
    input wire                     segment_valid,
    input wire [CONTEXT_WIDTH-1:0] segment_context,
    input wire [              8:0] segment_start,
    input wire                     segment_slot,

    // The context table: of the command that requests, and of the one that is granted
    output wire [CONTEXT_WIDTH-1:0] request_context,
    input  wire [              2:0] request_kind,
    input  wire [ADDRESS_WIDTH-1:0] request_address,
    input  wire [             17:0] request_length,
    output wire [CONTEXT_WIDTH-1:0] grant_context,
    input  wire [              2:0] grant_kind,

    // A grant: for the read path, or the write path
    output wire       grant_valid,
    output wire       grant_reads,
    output wire       grant_writes,
    output wire       dropped_valid,
    output wire [5:0] grant_row,

    // Rows are given up
    input wire       release_valid,
    input wire [5:0] release_row,
    input wire       release_write_valid,
    input wire [5:0] release_write_row,

    // What locks are for: place and length in the medium, and the half of the buffers to compare with or to write from
    input  wire [CONTEXT_WIDTH-1:0] move_look_context,
    output wire [             17:0] move_look_length,
    input  wire [CONTEXT_WIDTH-1:0] move_chosen_context,
    output wire [ADDRESS_WIDTH-1:0] move_chosen_address,
    output wire [             17:0] move_chosen_length,
    output wire                     move_chosen_half,
    input  wire [CONTEXT_WIDTH-1:0] move_out_context,
    output wire [ADDRESS_WIDTH-1:0] move_out_address,
    output wire [             17:0] move_out_length,
    output wire                     move_out_half,

    // For those who watch: what is asked, whether it has to wait, and what is given up
    output wire                      request_valid,
    output wire                      request_waits,
    output wire [ADDRESS_WIDTH-10:0] request_first,
    output wire [ADDRESS_WIDTH-10:0] request_last,
    output wire                      request_exclusive,
    output wire [ CONTEXT_WIDTH-1:0] release_context,
    output wire [ CONTEXT_WIDTH-1:0] release_write_context
);

  `include "nvme_defs.vh"
  `include "command_kinds.vh"

  localparam NUMBERS = 1 << (FUNCTION_WIDTH + 4);
  localparam SECTOR_WIDTH = ADDRESS_WIDTH - 9;
  localparam integer UNIT_SECTORS = ATOMIC_UNIT_BYTES / 512;
  localparam [8:0] UNIT = UNIT_SECTORS[8:0];

  // Whose request is next
  wire [FUNCTIONS-1:0] free, reads_wait, segments_wait;
  wire [FUNCTION_WIDTH-1:0] read_function, segment_function;
  wire [CONTEXT_WIDTH-1:0] first_read, first_segment;
  wire [8:0] first_start;
  wire first_slot, read_any, segment_any;
  reg  [FUNCTION_WIDTH-1:0] from_reg;
  wire [FUNCTION_WIDTH-1:0] function_number = segment_any ? segment_function : read_function;
  assign request_valid   = read_any || segment_any;
  assign request_context = segment_any ? first_segment : first_read;
  function_fifos #(
      .FUNCTIONS(FUNCTIONS),
      .FUNCTION_WIDTH(FUNCTION_WIDTH),
      .WIDTH(CONTEXT_WIDTH)
  ) reads (
      .clk(clk),
      .rst(rst),
      .push_valid(read_valid),
      .push_entry(read_context),
      .waits(reads_wait),
      .look_function(read_function),
      .look_entry(first_read),
      .pop_valid(read_any && !segment_any)
  );
  function_fifos #(
      .FUNCTIONS(FUNCTIONS),
      .FUNCTION_WIDTH(FUNCTION_WIDTH),
      .WIDTH(CONTEXT_WIDTH + 10)
  ) segments (
      .clk(clk),
      .rst(rst),
      .push_valid(segment_valid),
      .push_entry({segment_context, segment_start, segment_slot}),
      .waits(segments_wait),
      .look_function(segment_function),
      .look_entry({first_segment, first_start, first_slot}),
      .pop_valid(segment_any)
  );
  round_robin #(
      .COUNT(FUNCTIONS),
      .WIDTH(FUNCTION_WIDTH)
  ) read_turn (
      .request(reads_wait & free),
      .from(from_reg),
      .chosen(read_function),
      .valid(read_any)
  );
  round_robin #(
      .COUNT(FUNCTIONS),
      .WIDTH(FUNCTION_WIDTH)
  ) segment_turn (
      .request(segments_wait & free),
      .from(from_reg),
      .chosen(segment_function),
      .valid(segment_any)
  );

  // What it is for
  wire [8:0] start = segment_any ? first_start : 9'd0;
  wire [8:0] left = request_length[17:9] - start;
  wire [8:0] sectors = segment_any && left > UNIT ? UNIT : left;
  assign request_first = request_address[ADDRESS_WIDTH-1:9] + {{(SECTOR_WIDTH - 9) {1'b0}}, start};
  assign request_last = request_first + {{(SECTOR_WIDTH - 9) {1'b0}}, sectors} - 1'b1;
  assign request_exclusive = request_kind == KIND_WRITE || request_kind == KIND_PAIR;
  wire [FUNCTION_WIDTH+3:0] request_number = {request_context[CONTEXT_WIDTH-1:5], request_context[3:0]};

  reg [SECTOR_WIDTH+10:0] move_memory[0:NUMBERS-1];
  always @(posedge clk) begin
    if (request_valid) begin
      from_reg <= function_number == FUNCTIONS[FUNCTION_WIDTH-1:0] - 1'b1 ? {FUNCTION_WIDTH{1'b0}} : function_number + 1'b1;
      move_memory[request_number] <= {request_kind == KIND_PAIR, segment_any && first_slot, sectors, request_first};
    end
    if (rst) from_reg <= {FUNCTION_WIDTH{1'b0}};
  end
  wire [FUNCTION_WIDTH+3:0] look_number = {move_look_context[CONTEXT_WIDTH-1:5], move_look_context[3:0]};
  wire [FUNCTION_WIDTH+3:0] chosen_number = {move_chosen_context[CONTEXT_WIDTH-1:5], move_chosen_context[3:0]};
  wire [FUNCTION_WIDTH+3:0] out_number = {move_out_context[CONTEXT_WIDTH-1:5], move_out_context[3:0]};
  wire [ SECTOR_WIDTH+10:0] looked_at = move_memory[look_number];
  assign move_look_length = {looked_at[SECTOR_WIDTH+:9], 9'd0};
  wire chosen_pair, out_pair, out_slot;
  assign {chosen_pair, move_chosen_half, move_chosen_length[17:9], move_chosen_address[ADDRESS_WIDTH-1:9]} = move_memory[chosen_number];
  assign {out_pair, out_slot, move_out_length[17:9], move_out_address[ADDRESS_WIDTH-1:9]} = move_memory[out_number];
  wire unused = chosen_pair;
  // A pair compares with its first half and writes the second.
  assign move_out_half = out_pair || out_slot;
  assign {move_chosen_length[8:0], move_chosen_address[8:0]} = 18'd0;
  assign {move_out_length[8:0], move_out_address[8:0]} = 18'd0;

  range_lock #(
      .FUNCTIONS(FUNCTIONS),
      .FUNCTION_WIDTH(FUNCTION_WIDTH),
      .ROWS_PER_FUNCTION(LOCK_ROWS),
      .ADDRESS_WIDTH(SECTOR_WIDTH),
      .CONTEXT_WIDTH(CONTEXT_WIDTH)
  ) lock (
      .clk(clk),
      .rst(rst),
      .free(free),
      .request_valid(request_valid),
      .request_context(request_context),
      .request_first(request_first),
      .request_last(request_last),
      .request_exclusive(request_exclusive),
      .request_waits(request_waits),
      .grant_valid(grant_valid),
      .grant_ready(1'b1),
      .grant_context(grant_context),
      .grant_row(grant_row),
      .release_valid(release_valid),
      .release_row(release_row),
      .release_context(release_context),
      .release_write_valid(release_write_valid),
      .release_write_row(release_write_row),
      .release_write_context(release_write_context)
  );

  wire [FUNCTION_WIDTH+3:0] grant_number = {grant_context[CONTEXT_WIDTH-1:5], grant_context[3:0]};
  wire drops = dead[grant_number];
  assign dropped_valid = grant_valid && drops;
  assign grant_reads   = grant_valid && !drops && grant_kind != KIND_WRITE;
  assign grant_writes  = grant_valid && !drops && grant_kind == KIND_WRITE;

endmodule

`resetall
