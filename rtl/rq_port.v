// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// rq_port: the one way to the hosts.
//
// Single-beat TLPs (host reads, CQEs, MSI-X messages) go in order of arrival, before the next data TLP; a data TLP is
// never interrupted. A TLP handed in while nothing is in its way is on the port in the next cycle. What belongs to a
// function that may not send is taken and dropped; a dropped read is named on `unsent`.

`resetall
`timescale 1ns / 1ps
`default_nettype none

module rq_port #(
    // Functions, and width of a function's number
    parameter FUNCTIONS = 7,
    parameter FUNCTION_WIDTH = 3,
    // Single-beat TLPs that may wait, log2
    parameter DEPTH_WIDTH = 5
) (
    input wire clk,
    input wire rst,

    // Functions that may send
    input wire [FUNCTIONS-1:0] may_send,
    // A read may go
    input wire                 read_credit,

    // Single-beat TLPs: a read of `small_dwords`, or a write of 1 or 4 dwords
    input  wire                      small_valid,
    output wire                      small_ready,
    input  wire                      small_is_read,
    input  wire [FUNCTION_WIDTH-1:0] small_function,
    input  wire [              63:0] small_address,
    input  wire [              10:0] small_dwords,
    input  wire [               5:0] small_tag,
    input  wire [             127:0] small_data,
    // Functions with TLPs that wait
    output reg  [     FUNCTIONS-1:0] small_waits,

    // Data TLPs, whole beats
    input  wire                      data_valid,
    output wire                      data_ready,
    input  wire [FUNCTION_WIDTH-1:0] data_function,
    input  wire [             255:0] data_beat,
    input  wire [               7:0] data_keep,
    input  wire                      data_first,
    input  wire                      data_last,
    input  wire                      data_one_dword,

    // A read that was dropped
    output reg       unsent_valid,
    output reg [5:0] unsent_tag,

    // Requester requests
    output wire [255:0] s_axis_rq_tdata,
    output wire [  7:0] s_axis_rq_tkeep,
    output wire         s_axis_rq_tlast,
    output wire [ 59:0] s_axis_rq_tuser,
    output wire         s_axis_rq_tvalid,
    input  wire         s_axis_rq_tready
);

  localparam DEPTH = 1 << DEPTH_WIDTH;
  localparam WIDTH = 1 + FUNCTION_WIDTH + 64 + 11 + 6 + 128;

  reg [WIDTH-1:0] fifo_reg[0:DEPTH-1];
  reg [DEPTH_WIDTH:0] write_reg, read_reg;
  wire empty = write_reg == read_reg;
  wire full = write_reg[DEPTH_WIDTH-1:0] == read_reg[DEPTH_WIDTH-1:0] && write_reg[DEPTH_WIDTH] != read_reg[DEPTH_WIDTH];
  assign small_ready = !full;

  // The single-beat TLP that is next: the oldest that waits, or the one being handed in
  wire [WIDTH-1:0] handed = {small_is_read, small_function, small_address, small_dwords, small_tag, small_data};
  wire [WIDTH-1:0] next = empty ? handed : fifo_reg[read_reg[DEPTH_WIDTH-1:0]];
  wire next_valid = !empty || small_valid;
  wire next_is_read;
  wire [FUNCTION_WIDTH-1:0] next_function;
  wire [63:0] next_address;
  wire [10:0] next_dwords;
  wire [5:0] next_tag;
  wire [127:0] next_data;
  assign {next_is_read, next_function, next_address, next_dwords, next_tag, next_data} = next;
  wire next_sends = may_send[next_function];

  reg [255:0] out_data_reg;
  reg [7:0] out_keep_reg;
  reg [7:0] out_enable_reg;
  reg out_last_reg, out_valid_reg;
  // Between the beats of a data TLP; the TLP is being dropped
  reg in_data_reg, dropping_reg;

  wire free = !out_valid_reg || s_axis_rq_tready;
  wire take_small = free && !in_data_reg && next_valid && (!next_is_read || read_credit || !next_sends);
  wire take_data = free && data_valid && (in_data_reg || !take_small);
  wire drop = data_first ? !may_send[data_function] : dropping_reg;
  assign data_ready = free && (in_data_reg || !take_small);

  wire [7:0] function_number = {{(8 - FUNCTION_WIDTH) {1'b0}}, next_function};
  wire [7:0] link_number = next_function == {FUNCTION_WIDTH{1'b0}} ? 8'd0 : 8'd63 + function_number;

  assign s_axis_rq_tdata  = out_data_reg;
  assign s_axis_rq_tkeep  = out_keep_reg;
  assign s_axis_rq_tlast  = out_last_reg;
  assign s_axis_rq_tuser  = {52'd0, out_enable_reg};
  assign s_axis_rq_tvalid = out_valid_reg;

  integer i, f;
  reg [DEPTH_WIDTH-1:0] place;
  always @* begin
    small_waits = {FUNCTIONS{1'b0}};
    place = {DEPTH_WIDTH{1'b0}};
    for (i = 0; i < DEPTH; i = i + 1) begin
      place = read_reg[DEPTH_WIDTH-1:0] + i[DEPTH_WIDTH-1:0];
      if (i[DEPTH_WIDTH:0] < write_reg - read_reg)
        for (f = 0; f < FUNCTIONS; f = f + 1)
        if (fifo_reg[place][WIDTH-2-:FUNCTION_WIDTH] == f[FUNCTION_WIDTH-1:0]) small_waits[f] = 1'b1;
    end
  end

  always @(posedge clk) begin
    unsent_valid <= 1'b0;
    if (s_axis_rq_tready) out_valid_reg <= 1'b0;

    if (small_valid && small_ready && !(empty && take_small)) begin
      fifo_reg[write_reg[DEPTH_WIDTH-1:0]] <= handed;
      write_reg <= write_reg + 1'b1;
    end
    if (take_small) begin
      if (!empty) read_reg <= read_reg + 1'b1;
      out_valid_reg <= next_sends;
      out_last_reg <= 1'b1;
      out_keep_reg <= next_is_read ? 8'h0f : (next_dwords == 11'd1 ? 8'h1f : 8'hff);
      out_enable_reg <= {next_dwords == 11'd1 ? 4'h0 : 4'hf, 4'hf};
      out_data_reg <= {
        next_data,
        8'd0,
        16'd0,
        2'd0,
        next_tag,
        8'd0,
        link_number,
        1'b0,
        next_is_read ? 4'd0 : 4'd1,
        next_dwords,
        next_address[63:2],
        2'b00
      };
      unsent_valid <= next_is_read && !next_sends;
      unsent_tag <= next_tag;
    end else if (take_data) begin
      out_valid_reg  <= !drop;
      out_last_reg   <= data_last;
      out_keep_reg   <= data_keep;
      out_enable_reg <= {data_one_dword ? 4'h0 : 4'hf, 4'hf};
      out_data_reg   <= data_beat;
      in_data_reg    <= !data_last;
      dropping_reg   <= drop;
    end

    if (rst) begin
      out_valid_reg <= 1'b0;
      unsent_valid <= 1'b0;
      in_data_reg <= 1'b0;
      dropping_reg <= 1'b0;
      write_reg <= {(DEPTH_WIDTH + 1) {1'b0}};
      read_reg <= {(DEPTH_WIDTH + 1) {1'b0}};
    end
  end

endmodule

`resetall
