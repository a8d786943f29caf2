// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// write_path: from the buffers to the medium, for segments that hold their lock; and how every other move ends.
//
// One segment after the other, in bursts that end at 4 KiB of the medium; `awuser` says that the next burst belongs to the
// same segment, for a memory that keeps segments whole when the power fails. Nothing goes out before all of a segment's
// data are in their buffers. The lock goes with the last B. Compares that write nothing, grants that were dropped and
// Reads that failed are told on the same `moved`, behind what was written.

`resetall
`timescale 1ns / 1ps
`default_nettype none

module write_path #(
    // Width of a context's number
    parameter CONTEXT_WIDTH = 8,
    // Width of a byte address of the medium
    parameter ADDRESS_WIDTH = 40,
    // Write bursts under way at once, log2
    parameter BURSTS_WIDTH  = 5
) (
    input wire clk,
    input wire rst,

    // A lock is granted: to whom, for a write, or to one that wants it no more
    input wire                     grant_valid,
    input wire [CONTEXT_WIDTH-1:0] grant_context,
    input wire [              5:0] grant_row,
    input wire                     grant_writes,
    input wire                     grant_dropped,

    // A compare has read all of its segment; a Read has ended for want of its data, its lock is given up
    input wire                     compared_valid,
    input wire [CONTEXT_WIDTH-1:0] compared_context,
    input wire                     compared_differs,
    input wire                     compared_failed,
    // Is it half a pair whose Write follows?
    input wire                     compared_writes,
    input wire                     read_failed_valid,
    input wire [CONTEXT_WIDTH-1:0] read_failed_context,

    // What is written: place and length in the medium, and its half of the buffers
    output wire [CONTEXT_WIDTH-1:0] look_context,
    input  wire [ADDRESS_WIDTH-1:0] look_address,
    input  wire [             17:0] look_length,
    input  wire                     look_half,

    // The buffers: {context without the admin bit, half, word}
    output wire                     word_enable,
    output wire [CONTEXT_WIDTH+8:0] word,

    // AXI AW, W (its data come from the buffers) and B
    output wire [ADDRESS_WIDTH-1:0] m_axi_awaddr,
    output wire [              7:0] m_axi_awlen,
    output wire                     m_axi_awuser,
    output wire                     m_axi_awvalid,
    input  wire                     m_axi_awready,
    output wire                     m_axi_wlast,
    output wire                     m_axi_wvalid,
    input  wire                     m_axi_wready,
    input  wire                     m_axi_bvalid,
    input  wire [              1:0] m_axi_bresp,

    // A move is over; its lock is given up
    output wire                     moved_valid,
    output wire [CONTEXT_WIDTH-1:0] moved_context,
    output wire [             10:0] moved_status,
    output wire                     release_valid,
    output wire [              5:0] release_row
);

  `include "nvme_defs.vh"

  localparam CONTEXTS = 1 << CONTEXT_WIDTH;
  // Commands that may wait, log2
  localparam DEPTH_WIDTH = CONTEXT_WIDTH - 1;

  reg [5:0] row_memory[0:CONTEXTS-1];
  always @(posedge clk) if (grant_valid) row_memory[grant_context] <= grant_row;

  // Segments to write, in order of their grants
  wire from_compare = compared_valid && compared_writes && !compared_differs && !compared_failed;
  wire granted_waits, compared_waits, pop_granted, pop_compared;
  wire [CONTEXT_WIDTH-1:0] granted_first, compared_first;
  sync_fifo #(
      .WIDTH(CONTEXT_WIDTH),
      .DEPTH_WIDTH(DEPTH_WIDTH)
  ) granted (
      .clk(clk),
      .rst(rst),
      .push_valid(grant_writes),
      .push_entry(grant_context),
      .valid(granted_waits),
      .entry(granted_first),
      .pop(pop_granted)
  );
  sync_fifo #(
      .WIDTH(CONTEXT_WIDTH),
      .DEPTH_WIDTH(DEPTH_WIDTH)
  ) equal (
      .clk(clk),
      .rst(rst),
      .push_valid(from_compare),
      .push_entry(compared_context),
      .valid(compared_waits),
      .entry(compared_first),
      .pop(pop_compared)
  );
  wire waiting = granted_waits || compared_waits;
  assign look_context = compared_waits ? compared_first : granted_first;

  // The segment being written: words left in the burst, in the segment, and the next of the buffer
  reg active_reg;
  reg [CONTEXT_WIDTH-1:0] context_reg;
  reg half_reg;
  reg [9:0] left_reg;
  reg [7:0] burst_left_reg;
  reg [8:0] word_reg;
  reg [ADDRESS_WIDTH-1:0] address_reg;
  reg burst_begins_reg;
  reg aw_valid_reg;
  reg [ADDRESS_WIDTH-1:0] aw_address_reg;
  reg [7:0] aw_words_reg;
  reg w_valid_reg, w_last_reg, aw_more_reg;
  reg [BURSTS_WIDTH:0] bursts_reg;

  // Words up to the next 4 KiB of the medium
  wire [7:0] page_words = 8'd128 - {1'b0, address_reg[11:5]};
  wire [7:0] burst_words = left_reg < {2'd0, page_words} ? left_reg[7:0] : page_words;
  wire aw_free = !aw_valid_reg || m_axi_awready;
  wire w_free = !w_valid_reg || m_axi_wready;
  wire may_begin = aw_free && !bursts_reg[BURSTS_WIDTH];
  wire begin_burst = active_reg && burst_begins_reg && may_begin && w_free;
  wire issue = active_reg && w_free && (!burst_begins_reg || may_begin);
  wire [7:0] in_burst = burst_begins_reg ? burst_words : burst_left_reg;
  wire burst_ends = in_burst == 8'd1;
  wire segment_ends = left_reg == 10'd1;
  wire load = waiting && (!active_reg || (issue && segment_ends));
  assign pop_compared = load && compared_waits;
  assign pop_granted = load && !compared_waits;

  assign word_enable = issue;
  assign word = {context_reg[CONTEXT_WIDTH-1:5], context_reg[3:0], half_reg, word_reg};
  wire [7:0] aw_last = aw_words_reg - 8'd1;
  assign m_axi_awaddr  = aw_address_reg;
  assign m_axi_awlen   = aw_last;
  assign m_axi_awuser  = aw_more_reg;
  assign m_axi_awvalid = aw_valid_reg;
  assign m_axi_wvalid  = w_valid_reg;
  assign m_axi_wlast   = w_last_reg;

  // Bursts whose B is to come, in order
  wire [CONTEXT_WIDTH-1:0] b_context;
  wire b_last, b_waits;
  reg b_failed_reg;
  sync_fifo #(
      .WIDTH(CONTEXT_WIDTH + 1),
      .DEPTH_WIDTH(BURSTS_WIDTH)
  ) responses (
      .clk(clk),
      .rst(rst),
      .push_valid(issue && burst_ends),
      .push_entry({context_reg, segment_ends}),
      .valid(b_waits),
      .entry({b_context, b_last}),
      .pop(m_axi_bvalid)
  );
  wire responds = m_axi_bvalid && b_waits;
  wire b_failed = b_failed_reg || m_axi_bresp != 2'd0;
  wire written = responds && b_last;

  // The others behind each other: they give way to B.
  wire compare_waits, dropped_waits, read_waits;
  wire [CONTEXT_WIDTH-1:0] compare_context, dropped_context, read_context;
  wire [10:0] compare_status;
  wire [10:0] compared_status =
      compared_failed ? STATUS_UNRECOVERED_READ_ERROR : (compared_differs ? STATUS_COMPARE_FAILURE : STATUS_SUCCESS);
  wire takes_compare = !written && compare_waits;
  wire takes_dropped = !written && !compare_waits && dropped_waits;
  wire takes_read = !written && !compare_waits && !dropped_waits && read_waits;
  sync_fifo #(
      .WIDTH(CONTEXT_WIDTH + 11),
      .DEPTH_WIDTH(DEPTH_WIDTH)
  ) not_written (
      .clk(clk),
      .rst(rst),
      .push_valid(compared_valid && !from_compare),
      .push_entry({compared_context, compared_status}),
      .valid(compare_waits),
      .entry({compare_context, compare_status}),
      .pop(takes_compare)
  );
  sync_fifo #(
      .WIDTH(CONTEXT_WIDTH),
      .DEPTH_WIDTH(DEPTH_WIDTH)
  ) dropped (
      .clk(clk),
      .rst(rst),
      .push_valid(grant_dropped),
      .push_entry(grant_context),
      .valid(dropped_waits),
      .entry(dropped_context),
      .pop(takes_dropped)
  );
  sync_fifo #(
      .WIDTH(CONTEXT_WIDTH),
      .DEPTH_WIDTH(DEPTH_WIDTH)
  ) failed_reads (
      .clk(clk),
      .rst(rst),
      .push_valid(read_failed_valid),
      .push_entry(read_failed_context),
      .valid(read_waits),
      .entry(read_context),
      .pop(takes_read)
  );
  assign moved_valid = written || takes_compare || takes_dropped || takes_read;
  assign moved_context = written ? b_context : (takes_compare ? compare_context : (takes_dropped ? dropped_context : read_context));
  // A dropped grant's status is seen by nobody: its command has failed before, or its function gets no completions.
  assign moved_status = written ? (b_failed ? STATUS_WRITE_FAULT : STATUS_SUCCESS) :
      (takes_compare ? compare_status : (takes_dropped ? STATUS_ABORT_REQUESTED : STATUS_UNRECOVERED_READ_ERROR));
  assign release_valid = written || takes_compare || takes_dropped;
  assign release_row = row_memory[moved_context];

  always @(posedge clk) begin
    if (m_axi_awready) aw_valid_reg <= 1'b0;
    if (m_axi_wready) w_valid_reg <= 1'b0;
    if (begin_burst) begin
      aw_valid_reg   <= 1'b1;
      aw_address_reg <= address_reg;
      aw_words_reg   <= burst_words;
      aw_more_reg    <= left_reg != {2'd0, burst_words};
    end
    bursts_reg <= bursts_reg + {{BURSTS_WIDTH{1'b0}}, begin_burst} - {{BURSTS_WIDTH{1'b0}}, responds};
    if (responds) b_failed_reg <= b_failed && !b_last;
    if (issue) begin
      w_valid_reg <= 1'b1;
      w_last_reg <= burst_ends;
      word_reg <= word_reg + 9'd1;
      left_reg <= left_reg - 10'd1;
      burst_left_reg <= in_burst - 8'd1;
      burst_begins_reg <= burst_ends;
      address_reg <= address_reg + {{(ADDRESS_WIDTH - 6) {1'b0}}, 6'd32};
      if (segment_ends) active_reg <= 1'b0;
    end
    if (load) begin
      active_reg <= 1'b1;
      burst_begins_reg <= 1'b1;
      context_reg <= look_context;
      half_reg <= look_half;
      word_reg <= 9'd0;
      left_reg <= look_length[14:5];
      address_reg <= look_address;
    end
    if (rst) begin
      active_reg   <= 1'b0;
      aw_valid_reg <= 1'b0;
      w_valid_reg  <= 1'b0;
      b_failed_reg <= 1'b0;
      bursts_reg   <= {(BURSTS_WIDTH + 1) {1'b0}};
    end
  end

endmodule

`resetall
