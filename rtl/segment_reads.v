// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// segment_reads: when all host reads of a segment have ended, and whether they brought their data.
//
// A row is a segment under way. Reads are counted as they are asked for and as they end; when the last has been asked for
// and none is under way, the row is told on `filled`, once, and begins anew. `asked_none` stands for a read that nobody
// needs any more. Reads that will never end (`forget`) are taken as failed by a walk over all rows. That data of a row are
// missing is told at once on `lost`, too, unless with it the row ends.

`resetall
`timescale 1ns / 1ps
`default_nettype none

module segment_reads #(
    // Width of a row's number
    parameter ROW_WIDTH = 8
) (
    input wire clk,
    input wire rst,

    // A read is asked for, or left out; it is the last of its row
    input  wire                 asked_valid,
    output wire                 asked_ready,
    input  wire [ROW_WIDTH-1:0] asked_row,
    input  wire                 asked_none,
    input  wire                 asked_last,

    // A read has ended, and in which half of a pair data are missing; another was not sent
    input wire                 ended_valid,
    input wire [ROW_WIDTH-1:0] ended_row,
    input wire                 ended_first_failed,
    input wire                 ended_second_failed,
    input wire                 unsent_valid,
    input wire [ROW_WIDTH-1:0] unsent_row,

    // Reads that were sent end no more
    input wire forget,

    // The first of a row's reads has failed, others are to end
    output wire                 lost_valid,
    output wire [ROW_WIDTH-1:0] lost_row,
    // All reads of a row have ended
    output wire                 filled_valid,
    output wire [ROW_WIDTH-1:0] filled_row,
    output wire                 filled_first_failed,
    output wire                 filled_second_failed
);

  localparam ROWS = 1 << ROW_WIDTH;
  // The most reads of a row: 32 KiB by 128 bytes, pieces at the ends of pages
  localparam COUNT = 9;

  // Counts wrap. A row whose marks differ has been asked for as a whole.
  reg [COUNT:0] asked_memory[0:ROWS-1];
  reg [COUNT+2:0] ended_memory[0:ROWS-1];

  wire unsent_waits;
  wire [ROW_WIDTH-1:0] unsent_first;
  wire takes_unsent;
  sync_fifo #(
      .WIDTH(ROW_WIDTH),
      .DEPTH_WIDTH(6)
  ) not_sent (
      .clk(clk),
      .rst(rst),
      .push_valid(unsent_valid),
      .push_entry(unsent_row),
      .valid(unsent_waits),
      .entry(unsent_first),
      .pop(takes_unsent)
  );

  // The walk: after a reset all rows begin anew
  reg clears_reg, walks_reg;
  reg [ROW_WIDTH-1:0] walk_reg;
  assign takes_unsent = !ended_valid && !clears_reg;
  wire ends = !clears_reg && (ended_valid || unsent_waits);
  assign asked_ready = !clears_reg && !(asked_none && ends);
  wire left_out = asked_valid && asked_none && asked_ready;
  wire forgets = walks_reg && !ends && !left_out;

  wire [ROW_WIDTH-1:0] row = ended_valid ? ended_row : (unsent_waits ? unsent_first : (left_out ? asked_row : walk_reg));
  wire [COUNT-1:0] asked, ended;
  wire asked_mark, ended_mark, first_failed, second_failed;
  assign {asked_mark, asked} = asked_memory[row];
  assign {ended_mark, first_failed, second_failed, ended} = ended_memory[row];
  wire under_way = asked != ended;
  wire mark = asked_mark ^ (left_out && asked_last);
  wire whole = mark != ended_mark;
  wire [COUNT-1:0] ended_next = forgets ? asked : (ends && under_way ? ended + 1'b1 : ended);
  // What ends after it was forgotten says nothing of the row's next reads.
  wire fails = under_way && (ended_valid ? ended_first_failed : unsent_waits || forgets);
  wire first_next = first_failed || fails;
  wire second_next = second_failed || (under_way && ended_valid && ended_second_failed);
  wire fills = whole && ended_next == asked && (left_out || ((ends || forgets) && under_way));

  assign lost_valid = (ends || forgets) && fails && !first_failed && !fills;
  assign lost_row = row;
  assign filled_valid = fills;
  assign filled_row = row;
  assign filled_first_failed = first_next;
  assign filled_second_failed = second_next;

  wire counts = asked_valid && !clears_reg && (!asked_none || left_out);
  wire [ROW_WIDTH-1:0] write_row = clears_reg ? walk_reg : asked_row;
  wire [COUNT-1:0] asked_before;
  wire mark_before;
  assign {mark_before, asked_before} = asked_memory[asked_row];

  always @(posedge clk) begin
    if (clears_reg) asked_memory[write_row] <= {(COUNT + 1) {1'b0}};
    else if (counts)
      asked_memory[write_row] <= {mark_before ^ asked_last, asked_before + {{(COUNT - 1) {1'b0}}, !asked_none}};
    if (clears_reg) ended_memory[walk_reg] <= {(COUNT + 3) {1'b0}};
    else if (fills) ended_memory[row] <= {mark, 2'b00, ended_next};
    else if (ends || forgets || left_out) ended_memory[row] <= {ended_mark, first_next, second_next, ended_next};

    if (clears_reg || forgets) walk_reg <= walk_reg + 1'b1;
    if (&walk_reg && (clears_reg || forgets)) begin
      clears_reg <= 1'b0;
      walks_reg  <= 1'b0;
    end
    if (forget && !clears_reg) begin
      walks_reg <= 1'b1;
      walk_reg  <= {ROW_WIDTH{1'b0}};
    end
    if (rst) begin
      clears_reg <= 1'b1;
      walks_reg  <= 1'b0;
      walk_reg   <= {ROW_WIDTH{1'b0}};
    end
  end

endmodule

`resetall
