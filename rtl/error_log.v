// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// error_log: the Error Information log of each function (NVMe 1.1 §5.10.1.1).
//
// A ring of 128 entries a function, of which the newest 64 are shown: a page that is being sent does not change while no
// more than 64 errors come. One error is entered a cycle, errors of commands before those of doorbells, which wait
// counted. Entries are forgotten with `clear`, the count goes on. After reset the counts are set to zero.

`resetall
`timescale 1ns / 1ps
`default_nettype none

module error_log #(
    // Functions, and width of a function's number
    parameter FUNCTIONS = 7,
    parameter FUNCTION_WIDTH = 3
) (
    input wire clk,
    input wire rst,

    // Functions that lose their entries
    input wire [FUNCTIONS-1:0] clear,

    // A command has failed
    input wire                      command_valid,
    input wire [FUNCTION_WIDTH-1:0] command_function,
    input wire [              15:0] command_queue_id,
    input wire [              15:0] command_id,
    input wire [              10:0] command_status,
    input wire [              15:0] command_location,
    input wire [              63:0] command_block,
    input wire [              31:0] command_namespace_id,
    // A doorbell was wrong: no command is to blame
    input wire                      doorbell_valid,
    input wire [FUNCTION_WIDTH-1:0] doorbell_function,

    // The page is sent as it stands now
    input  wire                      open_valid,
    input  wire [FUNCTION_WIDTH-1:0] open_function,
    // An entry of it, newest first, and the count as it is, in the cycle after; held while not enabled
    input  wire                      page_enable,
    input  wire [FUNCTION_WIDTH-1:0] page_function,
    input  wire [               5:0] page_entry,
    output wire [             255:0] page_data,
    output reg  [              63:0] page_count
);

  `include "nvme_defs.vh"

  localparam [6:0] MOST_ENTRIES = ERROR_LOG_ENTRIES[6:0];
  // {block, namespace, location, status, command, queue, count}
  localparam WIDTH = 64 + 32 + 16 + 11 + 16 + 16 + 64;

  reg [WIDTH-1:0] ring_memory[0:(1<<(FUNCTION_WIDTH+7))-1];
  // Errors since power-on; entries that are not forgotten
  reg [63:0] count_memory[0:(1<<FUNCTION_WIDTH)-1];
  reg [6:0] used_reg[0:FUNCTIONS-1];
  // The page that is being sent: place of the newest entry, and entries
  reg [6:0] newest_reg[0:FUNCTIONS-1];
  reg [6:0] shown_reg[0:FUNCTIONS-1];
  // Errors of doorbells that are not in the log yet
  reg [15:0] waits_reg[0:FUNCTIONS-1];
  reg [FUNCTION_WIDTH-1:0] from_reg;
  reg clearing_reg;
  reg [FUNCTION_WIDTH-1:0] clear_reg;

  integer f;
  reg [FUNCTIONS-1:0] waits;
  always @* for (f = 0; f < FUNCTIONS; f = f + 1) waits[f] = waits_reg[f] != 16'd0 && !clear[f];
  wire [FUNCTION_WIDTH-1:0] turn;
  wire any;
  round_robin #(
      .COUNT(FUNCTIONS),
      .WIDTH(FUNCTION_WIDTH)
  ) doorbell_turn (
      .request(waits),
      .from(from_reg),
      .chosen(turn),
      .valid(any)
  );

  wire take = any && !command_valid && !clearing_reg;
  wire enters = (command_valid || take) && !clearing_reg;
  wire [FUNCTION_WIDTH-1:0] function_number = command_valid ? command_function : turn;
  wire [63:0] count = count_memory[function_number] + 64'd1;
  wire [WIDTH-1:0] entry = command_valid ?
      {command_block, command_namespace_id, command_location, command_status, command_id, command_queue_id, count} :
      {64'd0, 32'd0, ERROR_LOG_NO_LOCATION, STATUS_SUCCESS, ERROR_LOG_NO_COMMAND, ERROR_LOG_NO_COMMAND, count};
  wire [63:0] open_count = count_memory[open_function];

  wire [6:0] place = newest_reg[page_function] - {1'b0, page_entry};
  reg [WIDTH-1:0] entry_reg;
  reg shown_entry_reg;

  always @(posedge clk) begin
    if (enters) ring_memory[{function_number, count[6:0]}] <= entry;
    if (clearing_reg) count_memory[clear_reg] <= 64'd0;
    else if (enters) count_memory[function_number] <= count;
    if (take) from_reg <= turn == FUNCTIONS[FUNCTION_WIDTH-1:0] - 1'b1 ? {FUNCTION_WIDTH{1'b0}} : turn + 1'b1;
    if (enters || doorbell_valid || take || open_valid || rst || |clear)
      for (f = 0; f < FUNCTIONS; f = f + 1) begin
        if (enters && function_number == f[FUNCTION_WIDTH-1:0] && used_reg[f] != MOST_ENTRIES)
          used_reg[f] <= used_reg[f] + 7'd1;
        if (doorbell_valid && doorbell_function == f[FUNCTION_WIDTH-1:0] && !(take && turn == f[FUNCTION_WIDTH-1:0])) begin
          if (!(&waits_reg[f])) waits_reg[f] <= waits_reg[f] + 16'd1;
        end else if (!(doorbell_valid && doorbell_function == f[FUNCTION_WIDTH-1:0]) &&
          take && turn == f[FUNCTION_WIDTH-1:0])
          waits_reg[f] <= waits_reg[f] - 16'd1;
        if (open_valid && open_function == f[FUNCTION_WIDTH-1:0]) begin
          newest_reg[f] <= open_count[6:0];
          shown_reg[f]  <= used_reg[f];
        end
        if (rst || clear[f]) begin
          used_reg[f]  <= 7'd0;
          waits_reg[f] <= 16'd0;
        end
      end
    if (page_enable) begin
      entry_reg <= ring_memory[{page_function, place}];
      shown_entry_reg <= {1'b0, page_entry} < shown_reg[page_function];
      page_count <= count_memory[page_function];
    end
    if (clearing_reg) begin
      clear_reg <= clear_reg + 1'b1;
      if (&clear_reg) clearing_reg <= 1'b0;
    end
    if (rst) begin
      clearing_reg <= 1'b1;
      clear_reg <= {FUNCTION_WIDTH{1'b0}};
      from_reg <= {FUNCTION_WIDTH{1'b0}};
    end
  end

  // As §5.10.1.1 has it
  wire [255:0] shown = {
    32'd0,
    entry_reg[123+:32],
    entry_reg[155+:64],
    entry_reg[107+:16],
    {4'd0, entry_reg[96+:11], 1'b0},
    entry_reg[80+:16],
    entry_reg[64+:16],
    entry_reg[63:0]
  };
  assign page_data = shown_entry_reg ? shown : 256'd0;

endmodule

`resetall
