// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// write_path: from the buffers to the medium, for commands that hold their lock; and what follows a compare.
//
// One command after the other, in bursts that end at 4 KiB of the medium. Nothing goes out before all of a command's data
// are in their buffers. The lock goes, and the command ends, with its last B.

`resetall
`timescale 1ns / 1ps
`default_nettype none

module write_path #(
    // Width of a context's number
    parameter CONTEXT_WIDTH = 8,
    // Width of a byte address of the medium
    parameter ADDRESS_WIDTH = 40
) (
    input wire clk,
    input wire rst,

    // A command that is no Read has its lock
    input wire                     grant_valid,
    input wire [CONTEXT_WIDTH-1:0] grant_context,
    input wire [              5:0] grant_row,
    input wire                     grant_writes,

    // A compare has read all of the medium
    input wire                     compared_valid,
    input wire [CONTEXT_WIDTH-1:0] compared_context,
    input wire                     compared_differs,

    // The context table: of the command compared, and of the one being written
    input  wire                     compared_writes,
    input  wire [             10:0] compared_second_status,
    output wire [CONTEXT_WIDTH-1:0] look_context,
    input  wire                     look_pair,
    input  wire [ADDRESS_WIDTH-1:0] look_address,
    input  wire [             17:0] look_length,

    // The buffers: {context without the admin bit, half, word}
    output wire                     word_enable,
    output wire [CONTEXT_WIDTH+7:0] word,

    // AXI AW, W (its data come from the buffers) and B
    output wire [ADDRESS_WIDTH-1:0] m_axi_awaddr,
    output wire [              7:0] m_axi_awlen,
    output wire                     m_axi_awvalid,
    input  wire                     m_axi_awready,
    output wire                     m_axi_wlast,
    output wire                     m_axi_wvalid,
    input  wire                     m_axi_wready,
    input  wire                     m_axi_bvalid,

    // The lock's row is given up, and the command ends with these statuses
    output wire                     end_valid,
    output wire [CONTEXT_WIDTH-1:0] end_context,
    output wire [              5:0] end_row,
    output wire [             10:0] end_status,
    output wire [             10:0] end_second_status
);

  `include "nvme_defs.vh"

  localparam CONTEXTS = 1 << CONTEXT_WIDTH;

  reg [5:0] row_memory[0:CONTEXTS-1];
  always @(posedge clk) if (grant_valid) row_memory[grant_context] <= grant_row;

  // Commands to write, in order of their grants
  wire from_grant = grant_valid && grant_writes;
  wire from_compare = compared_valid && compared_writes && !compared_differs;
  wire granted_waits, compared_waits, pop_granted, pop_compared;
  wire [CONTEXT_WIDTH-1:0] granted_first, compared_first;
  sync_fifo #(
      .WIDTH(CONTEXT_WIDTH),
      .DEPTH_WIDTH(CONTEXT_WIDTH)
  ) granted (
      .clk(clk),
      .rst(rst),
      .push_valid(from_grant),
      .push_entry(grant_context),
      .valid(granted_waits),
      .entry(granted_first),
      .pop(pop_granted)
  );
  sync_fifo #(
      .WIDTH(CONTEXT_WIDTH),
      .DEPTH_WIDTH(CONTEXT_WIDTH)
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

  // The command being written: words left in the burst, in the command, and the next of the buffer
  reg active_reg;
  reg [CONTEXT_WIDTH-1:0] context_reg;
  reg half_reg;
  reg [8:0] left_reg;
  reg [7:0] burst_left_reg;
  reg [7:0] word_reg;
  reg [ADDRESS_WIDTH-1:0] address_reg;
  reg burst_begins_reg;
  reg aw_valid_reg;
  reg [ADDRESS_WIDTH-1:0] aw_address_reg;
  reg [7:0] aw_words_reg;
  reg w_valid_reg, w_last_reg;

  // Words up to the next 4 KiB of the medium
  wire [7:0] page_words = 8'd128 - {1'b0, address_reg[11:5]};
  wire [7:0] burst_words = left_reg < {1'b0, page_words} ? left_reg[7:0] : page_words;
  wire aw_free = !aw_valid_reg || m_axi_awready;
  wire w_free = !w_valid_reg || m_axi_wready;
  wire begin_burst = active_reg && burst_begins_reg && aw_free && w_free;
  wire issue = active_reg && w_free && (!burst_begins_reg || aw_free);
  wire [7:0] in_burst = burst_begins_reg ? burst_words : burst_left_reg;
  wire burst_ends = in_burst == 8'd1;
  wire command_ends = left_reg == 9'd1;
  wire load = waiting && (!active_reg || (issue && command_ends));
  assign pop_compared = load && compared_waits;
  assign pop_granted = load && !compared_waits;

  assign word_enable = issue;
  assign word = {context_reg[CONTEXT_WIDTH-1:5], context_reg[3:0], half_reg, word_reg};
  wire [7:0] aw_last = aw_words_reg - 8'd1;
  assign m_axi_awaddr  = aw_address_reg;
  assign m_axi_awlen   = aw_last;
  assign m_axi_awvalid = aw_valid_reg;
  assign m_axi_wvalid  = w_valid_reg;
  assign m_axi_wlast   = w_last_reg;

  // Bursts whose B is to come, in order
  wire [CONTEXT_WIDTH-1:0] b_context;
  wire b_last, b_waits;
  sync_fifo #(
      .WIDTH(CONTEXT_WIDTH + 1),
      .DEPTH_WIDTH(6)
  ) responses (
      .clk(clk),
      .rst(rst),
      .push_valid(issue && burst_ends),
      .push_entry({context_reg, command_ends}),
      .valid(b_waits),
      .entry({b_context, b_last}),
      .pop(m_axi_bvalid)
  );
  wire written = m_axi_bvalid && b_waits && b_last;

  // Compares that write nothing, behind each other; they give way to B
  wire failed_waits;
  wire [CONTEXT_WIDTH-1:0] failed_context;
  wire failed_differs;
  wire [10:0] failed_second;
  sync_fifo #(
      .WIDTH(CONTEXT_WIDTH + 12),
      .DEPTH_WIDTH(CONTEXT_WIDTH)
  ) not_written (
      .clk(clk),
      .rst(rst),
      .push_valid(compared_valid && !from_compare),
      .push_entry({compared_context, compared_differs, compared_second_status}),
      .valid(failed_waits),
      .entry({failed_context, failed_differs, failed_second}),
      .pop(!written)
  );
  assign end_valid = written || failed_waits;
  assign end_context = written ? b_context : failed_context;
  assign end_row = row_memory[end_context];
  assign end_status = !written && failed_differs ? STATUS_COMPARE_FAILURE : STATUS_SUCCESS;
  assign end_second_status = written ? STATUS_SUCCESS : (failed_differs ? STATUS_ABORTED_FAILED_FUSED : failed_second);

  always @(posedge clk) begin
    if (m_axi_awready) aw_valid_reg <= 1'b0;
    if (m_axi_wready) w_valid_reg <= 1'b0;
    if (begin_burst) begin
      aw_valid_reg   <= 1'b1;
      aw_address_reg <= address_reg;
      aw_words_reg   <= burst_words;
    end
    if (issue) begin
      w_valid_reg <= 1'b1;
      w_last_reg <= burst_ends;
      word_reg <= word_reg + 8'd1;
      left_reg <= left_reg - 9'd1;
      burst_left_reg <= in_burst - 8'd1;
      burst_begins_reg <= burst_ends;
      address_reg <= address_reg + {{(ADDRESS_WIDTH - 6) {1'b0}}, 6'd32};
      if (command_ends) active_reg <= 1'b0;
    end
    if (load) begin
      active_reg <= 1'b1;
      burst_begins_reg <= 1'b1;
      context_reg <= look_context;
      half_reg <= look_pair;
      word_reg <= 8'd0;
      left_reg <= look_length[13:5];
      address_reg <= look_address;
    end
    if (rst) begin
      active_reg   <= 1'b0;
      aw_valid_reg <= 1'b0;
      w_valid_reg  <= 1'b0;
    end
  end

endmodule

`resetall
