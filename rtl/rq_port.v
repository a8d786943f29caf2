// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// rq_port: the one way to the hosts.
//
// Single-beat TLPs (host reads, CQEs, MSI-X messages) go in order of arrival, before the next data TLP; a data TLP is
// never interrupted. A read that has no credit keeps only reads waiting: what is posted passes it (PCIe 2.1 §2.4.1), or
// a host that gives no credit before it has seen its completions would wait for ever. Of two that are handed in
// together the posted one is the older. A TLP handed in while nothing is in its way is on the port in the next cycle.
// What belongs to a function that may not send is taken and dropped; a dropped read is named on `unsent`.

`resetall
`timescale 1ns / 1ps
`default_nettype none

module rq_port #(
    // Functions, and width of a function's number
    parameter FUNCTIONS = 7,
    parameter FUNCTION_WIDTH = 3,
    // Posted single-beat TLPs that may wait, log2; reads wait as many as there are tags
    parameter DEPTH_WIDTH = 5
) (
    input wire clk,
    input wire rst,

    // Functions that may send
    input wire [FUNCTIONS-1:0] may_send,
    // A read may go
    input wire                 read_credit,

    // Posted single-beat TLPs: writes of 1 or 4 dwords
    input  wire                      posted_valid,
    output wire                      posted_ready,
    input  wire [FUNCTION_WIDTH-1:0] posted_function,
    input  wire [              63:0] posted_address,
    input  wire                      posted_one_dword,
    input  wire [             127:0] posted_data,

    // Reads: each has a tag of its own, so there is always room
    input  wire                      read_valid,
    input  wire [FUNCTION_WIDTH-1:0] read_function,
    input  wire [              63:0] read_address,
    input  wire [              10:0] read_dwords,
    input  wire [               5:0] read_tag,
    // Functions with single-beat TLPs that wait
    output reg  [     FUNCTIONS-1:0] waits,

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

  // With the reads that are older: `read_write_reg` when it came
  localparam POSTED_WIDTH = 7 + FUNCTION_WIDTH + 64 + 1 + 128;
  localparam READ_WIDTH = FUNCTION_WIDTH + 64 + 11 + 6;
  localparam COUNT_WIDTH = (DEPTH_WIDTH > 6 ? DEPTH_WIDTH : 6) + 2;

  reg [POSTED_WIDTH-1:0] posted_memory[0:(1<<DEPTH_WIDTH)-1];
  reg [DEPTH_WIDTH:0] posted_write_reg, posted_read_reg;
  reg [READ_WIDTH-1:0] read_memory[0:63];
  reg [6:0] read_write_reg, read_read_reg;

  wire posted_empty = posted_write_reg == posted_read_reg;
  assign posted_ready = posted_write_reg != {~posted_read_reg[DEPTH_WIDTH], posted_read_reg[DEPTH_WIDTH-1:0]};
  wire push_posted = posted_valid && posted_ready;
  wire reads_empty = read_write_reg == read_read_reg;

  // The oldest of each kind: one that waits, or the one being handed in
  wire [POSTED_WIDTH-1:0] posted_handed = {
    read_write_reg, posted_function, posted_address, posted_one_dword, posted_data
  };
  wire [POSTED_WIDTH-1:0] posted = posted_empty ? posted_handed : posted_memory[posted_read_reg[DEPTH_WIDTH-1:0]];
  wire posted_there = !posted_empty || push_posted;
  wire [6:0] next_posted_mark;
  wire [FUNCTION_WIDTH-1:0] next_posted_function;
  wire [63:0] next_posted_address;
  wire next_posted_one;
  wire [127:0] next_posted_data;
  assign {next_posted_mark, next_posted_function, next_posted_address, next_posted_one, next_posted_data} = posted;

  wire [READ_WIDTH-1:0] read_handed = {read_function, read_address, read_dwords, read_tag};
  wire [READ_WIDTH-1:0] read = reads_empty ? read_handed : read_memory[read_read_reg[5:0]];
  wire read_there = !reads_empty || read_valid;
  wire [FUNCTION_WIDTH-1:0] next_read_function;
  wire [63:0] next_read_address;
  wire [10:0] next_read_dwords;
  wire [5:0] next_read_tag;
  assign {next_read_function, next_read_address, next_read_dwords, next_read_tag} = read;

  wire posted_sends = may_send[next_posted_function];
  wire read_sends = may_send[next_read_function];
  wire read_may_go = read_there && (read_credit || !read_sends);
  // No read passes what is posted, so the reads gone are at most those that are older.
  wire read_is_older = next_posted_mark != read_read_reg;

  reg [255:0] out_data_reg;
  reg [7:0] out_keep_reg;
  reg [7:0] out_enable_reg;
  reg out_last_reg, out_valid_reg;
  // Between the beats of a data TLP; the TLP is being dropped
  reg in_data_reg, dropping_reg;

  wire free = !out_valid_reg || s_axis_rq_tready;
  wire small_free = free && !in_data_reg;
  wire take_read = small_free && read_may_go && (read_is_older || !posted_there);
  wire take_posted = small_free && posted_there && !take_read;
  wire take_small = take_read || take_posted;
  wire take_data = free && data_valid && !take_small;
  wire drop = data_first ? !may_send[data_function] : dropping_reg;
  assign data_ready = free && !take_small;

  wire [FUNCTION_WIDTH-1:0] small_function = take_read ? next_read_function : next_posted_function;
  wire [63:0] small_address = take_read ? next_read_address : next_posted_address;
  wire [10:0] small_dwords = take_read ? next_read_dwords : next_posted_one ? 11'd1 : 11'd4;
  wire [7:0] function_number = {{(8 - FUNCTION_WIDTH) {1'b0}}, small_function};
  wire [7:0] link_number = small_function == {FUNCTION_WIDTH{1'b0}} ? 8'd0 : 8'd63 + function_number;

  assign s_axis_rq_tdata  = out_data_reg;
  assign s_axis_rq_tkeep  = out_keep_reg;
  assign s_axis_rq_tlast  = out_last_reg;
  assign s_axis_rq_tuser  = {52'd0, out_enable_reg};
  assign s_axis_rq_tvalid = out_valid_reg;

  // What waits, by function
  reg [COUNT_WIDTH-1:0] count_reg[0:FUNCTIONS-1];
  integer f;
  always @* for (f = 0; f < FUNCTIONS; f = f + 1) waits[f] = count_reg[f] != {COUNT_WIDTH{1'b0}};

  always @(posedge clk) begin
    unsent_valid <= 1'b0;
    if (s_axis_rq_tready) out_valid_reg <= 1'b0;

    // What passes through without waiting still counts as one that has come and gone.
    if (push_posted) begin
      posted_memory[posted_write_reg[DEPTH_WIDTH-1:0]] <= posted_handed;
      posted_write_reg <= posted_write_reg + 1'b1;
    end
    if (take_posted) posted_read_reg <= posted_read_reg + 1'b1;
    if (read_valid) begin
      read_memory[read_write_reg[5:0]] <= read_handed;
      read_write_reg <= read_write_reg + 1'b1;
    end
    if (take_read) read_read_reg <= read_read_reg + 1'b1;
    if (push_posted || read_valid || take_small)
      for (f = 0; f < FUNCTIONS; f = f + 1)
      count_reg[f] <= count_reg[f] + {{(COUNT_WIDTH - 1) {1'b0}}, push_posted && posted_function == f[FUNCTION_WIDTH-1:0]} +
            {{(COUNT_WIDTH - 1) {1'b0}}, read_valid && read_function == f[FUNCTION_WIDTH-1:0]} -
            {{(COUNT_WIDTH - 1) {1'b0}}, take_small && small_function == f[FUNCTION_WIDTH-1:0]};

    if (take_small) begin
      out_valid_reg <= take_read ? read_sends : posted_sends;
      out_last_reg <= 1'b1;
      out_keep_reg <= take_read ? 8'h0f : (next_posted_one ? 8'h1f : 8'hff);
      out_enable_reg <= {small_dwords == 11'd1 ? 4'h0 : 4'hf, 4'hf};
      out_data_reg <= {
        next_posted_data,
        8'd0,
        16'd0,
        2'd0,
        take_read ? next_read_tag : 6'd0,
        8'd0,
        link_number,
        1'b0,
        take_read ? 4'd0 : 4'd1,
        small_dwords,
        small_address[63:2],
        2'b00
      };
      unsent_valid <= take_read && !read_sends;
      unsent_tag <= next_read_tag;
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
      posted_write_reg <= {(DEPTH_WIDTH + 1) {1'b0}};
      posted_read_reg <= {(DEPTH_WIDTH + 1) {1'b0}};
      read_write_reg <= 7'd0;
      read_read_reg <= 7'd0;
      for (f = 0; f < FUNCTIONS; f = f + 1) count_reg[f] <= {COUNT_WIDTH{1'b0}};
    end
  end

endmodule

`resetall
