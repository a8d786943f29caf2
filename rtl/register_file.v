// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// register_file: the controller registers of every function (NVMe 1.1 §3.1), and each function's life.
//
// CC.EN set: 16 cycles later the controller is ready, or fatal when it cannot be as CC and AQA say. Whatever ends a
// function (CC.EN cleared, function reset, bus master taken away) drains it: `draining` is up until `quiet`. The admin
// queues of a function are made on `enable_valid`, one function a cycle.

`resetall
`timescale 1ns / 1ps
`default_nettype none

module register_file #(
    // Functions, and width of a function's number
    parameter FUNCTIONS = 7,
    parameter FUNCTION_WIDTH = 3
) (
    input wire clk,
    input wire rst,

    // A dword from a host, in this cycle
    input wire                      write_valid,
    input wire [FUNCTION_WIDTH-1:0] write_function,
    input wire [              13:2] write_address,
    input wire [              31:0] write_data,

    // A dword to a host, in this cycle
    input  wire [FUNCTION_WIDTH-1:0] read_function,
    input  wire [              13:2] read_address,
    output reg  [              31:0] read_data,

    // Side-bands
    input  wire [FUNCTIONS-1:0] function_enable,
    input  wire [FUNCTIONS-1:0] bus_master,
    input  wire [FUNCTIONS-1:0] flr_in_process,
    output wire [FUNCTIONS-1:0] flr_done,
    input  wire                 hot_reset,

    // The life of each function: answers register accesses, takes new commands, is being ended, has ended all
    output wire [     FUNCTIONS-1:0] answers,
    output wire [     FUNCTIONS-1:0] ready,
    output wire [     FUNCTIONS-1:0] runs,
    output wire [     FUNCTIONS-1:0] draining,
    output wire [     FUNCTIONS-1:0] resetting,
    // A controller is being enabled, or a function that is there is being ended
    output wire                      busy,
    input  wire [     FUNCTIONS-1:0] quiet,
    // No command is under way: what a shutdown waits for
    input  wire [     FUNCTIONS-1:0] idle,
    // Stops a controller: CSTS.CFS
    input  wire                      fatal_valid,
    input  wire [FUNCTION_WIDTH-1:0] fatal_function,

    // Makes the admin queues of a function
    output wire                      enable_valid,
    output wire [FUNCTION_WIDTH-1:0] enable_function,
    output wire [              63:0] enable_submission_address,
    output wire [              63:0] enable_completion_address,
    output wire [              15:0] enable_submission_last,
    output wire [              15:0] enable_completion_last
);

  `include "nvme_defs.vh"

  reg [31:0] cc_reg  [0:FUNCTIONS-1];
  reg [31:0] mask_reg[0:FUNCTIONS-1];
  reg [31:0] aqa_reg [0:FUNCTIONS-1];
  reg [63:0] asq_reg [0:FUNCTIONS-1];
  reg [63:0] acq_reg [0:FUNCTIONS-1];
  reg [FUNCTIONS-1:0] rdy_reg, cfs_reg, shutting_reg, shut_reg;
  reg [FUNCTIONS-1:0] draining_reg, clears_reg, resetting_reg, flr_done_reg, was_flr_reg, was_master_reg;
  reg [FUNCTIONS-1:0] enabling_reg;
  reg [4:0] countdown_reg[0:FUNCTIONS-1];

  assign ready = rdy_reg;
  assign draining = draining_reg;
  assign resetting = resetting_reg;
  assign busy = |enabling_reg || |(draining_reg & function_enable);
  assign answers = function_enable & ~resetting_reg & ~flr_in_process & ~{FUNCTIONS{hot_reset}};
  assign runs = rdy_reg & ~cfs_reg & ~draining_reg & bus_master & ~shutting_reg & ~shut_reg;
  assign flr_done = flr_done_reg;

  // Which register
  wire [13:0] write_offset = {write_address, 2'b00};
  wire [13:0] read_offset = {read_address, 2'b00};
  wire        enabled_now = cc_reg[write_function][0];
  wire        writes_cc = write_valid && write_offset == CC_OFFSET;

  always @* begin
    case (read_offset)
      14'h0000: read_data = CAP_VALUE[31:0];
      14'h0004: read_data = CAP_VALUE[63:32];
      VS_OFFSET: read_data = VERSION_1_1;
      INTMS_OFFSET, INTMC_OFFSET: read_data = mask_reg[read_function];
      CC_OFFSET: read_data = cc_reg[read_function];
      CSTS_OFFSET:
      read_data = {
        28'd0, shut_reg[read_function], shutting_reg[read_function], cfs_reg[read_function], rdy_reg[read_function]
      };
      AQA_OFFSET: read_data = aqa_reg[read_function];
      ASQ_OFFSET: read_data = asq_reg[read_function][31:0];
      ASQ_OFFSET + 14'd4: read_data = asq_reg[read_function][63:32];
      ACQ_OFFSET: read_data = acq_reg[read_function][31:0];
      ACQ_OFFSET + 14'd4: read_data = acq_reg[read_function][63:32];
      default: read_data = 32'd0;
    endcase
  end

  // The function whose enabling is due
  reg                          due_valid;
  reg     [FUNCTION_WIDTH-1:0] due;
  integer                      d;
  always @* begin
    due_valid = 1'b0;
    due = {FUNCTION_WIDTH{1'b0}};
    for (d = FUNCTIONS - 1; d >= 0; d = d - 1)
    if (enabling_reg[d] && countdown_reg[d] == 5'd0) begin
      due_valid = 1'b1;
      due = d[FUNCTION_WIDTH-1:0];
    end
  end

  wire [31:0] due_cc = cc_reg[due];
  wire [31:0] due_aqa = aqa_reg[due];
  wire configured = due_cc[13:4] == 10'd0 && (due_cc[19:16] == 4'd0 || due_cc[19:16] == 4'd6) &&
      (due_cc[23:20] == 4'd0 || due_cc[23:20] == 4'd4) && due_aqa[11:0] != 12'd0 && due_aqa[27:16] != 12'd0;

  assign enable_valid = due_valid && configured;
  assign enable_function = due;
  assign enable_submission_address = asq_reg[due];
  assign enable_completion_address = acq_reg[due];
  assign enable_submission_last = {4'd0, due_aqa[11:0]};
  assign enable_completion_last = {4'd0, due_aqa[27:16]};

  // Functions that anything happens to; one that is not there is cleared once.
  reg [FUNCTIONS-1:0] off_reg;
  wire [FUNCTIONS-1:0] one = {{(FUNCTIONS - 1) {1'b0}}, 1'b1};
  wire [FUNCTIONS-1:0] changes = shutting_reg | draining_reg | enabling_reg | (was_master_reg & ~bus_master) |
      (flr_in_process & ~was_flr_reg) | {FUNCTIONS{hot_reset}} | ~(function_enable | off_reg) |
      (fatal_valid ? one << fatal_function : {FUNCTIONS{1'b0}}) | (writes_cc ? one << write_function : {FUNCTIONS{1'b0}});

  integer f;
  always @(posedge clk) begin
    off_reg <= ~function_enable;
    flr_done_reg <= {FUNCTIONS{1'b0}};
    was_flr_reg <= flr_in_process;
    was_master_reg <= bus_master;

    if (write_valid) begin
      if (write_offset == INTMS_OFFSET) mask_reg[write_function] <= mask_reg[write_function] | write_data;
      if (write_offset == INTMC_OFFSET) mask_reg[write_function] <= mask_reg[write_function] & ~write_data;
      if (writes_cc) cc_reg[write_function] <= write_data;
      // The admin queue stands still while the controller is enabled (§3.1.8).
      if (!enabled_now) begin
        case (write_offset)
          AQA_OFFSET: aqa_reg[write_function] <= write_data & 32'h0fff_0fff;
          ASQ_OFFSET: asq_reg[write_function][31:0] <= {write_data[31:12], 12'd0};
          ASQ_OFFSET + 14'd4: asq_reg[write_function][63:32] <= write_data;
          ACQ_OFFSET: acq_reg[write_function][31:0] <= {write_data[31:12], 12'd0};
          ACQ_OFFSET + 14'd4: acq_reg[write_function][63:32] <= write_data;
          default: ;
        endcase
      end
    end

    for (f = 0; f < FUNCTIONS; f = f + 1) begin
      if (changes[f]) begin
        if (countdown_reg[f] != 5'd0) countdown_reg[f] <= countdown_reg[f] - 5'd1;

        // Shutdown is complete when what is under way has ended (§7.6.2).
        if (shutting_reg[f] && idle[f]) begin
          shutting_reg[f] <= 1'b0;
          shut_reg[f] <= 1'b1;
        end

        // The end of a drain
        if (draining_reg[f] && quiet[f]) begin
          draining_reg[f] <= 1'b0;
          clears_reg[f]   <= 1'b0;
          if (clears_reg[f]) begin
            rdy_reg[f] <= 1'b0;
            cfs_reg[f] <= 1'b0;
            shutting_reg[f] <= 1'b0;
            shut_reg[f] <= 1'b0;
          end
          if (resetting_reg[f]) begin
            resetting_reg[f] <= 1'b0;
            flr_done_reg[f]  <= 1'b1;
          end else if (cc_reg[f][0] && (clears_reg[f] || !cfs_reg[f])) begin
            // The host has set CC.EN again before CSTS.RDY was clear.
            enabling_reg[f]  <= 1'b1;
            countdown_reg[f] <= ENABLE_CYCLES[4:0];
          end
        end

        if (due_valid && due == f[FUNCTION_WIDTH-1:0]) begin
          enabling_reg[f] <= 1'b0;
          if (configured) rdy_reg[f] <= 1'b1;
          else cfs_reg[f] <= 1'b1;
          if (due_cc[15:14] == 2'd0) begin
            shutting_reg[f] <= 1'b0;
            shut_reg[f] <= 1'b0;
          end
        end

        if (fatal_valid && fatal_function == f[FUNCTION_WIDTH-1:0]) cfs_reg[f] <= 1'b1;

        if (writes_cc && write_function == f[FUNCTION_WIDTH-1:0]) begin
          if (enabled_now && !write_data[0]) begin
            enabling_reg[f] <= 1'b0;
            draining_reg[f] <= 1'b1;
            clears_reg[f]   <= 1'b1;
          end else if (!enabled_now && write_data[0] && !draining_reg[f]) begin
            enabling_reg[f]  <= 1'b1;
            countdown_reg[f] <= ENABLE_CYCLES[4:0] - 5'd1;
          end
          if (write_data[15:14] != 2'd0 && !shutting_reg[f] && !shut_reg[f]) shutting_reg[f] <= 1'b1;
        end

        // Bus master taken away from a running controller: nothing could be completed.
        if (was_master_reg[f] && !bus_master[f] && rdy_reg[f] && !draining_reg[f]) begin
          cfs_reg[f] <= 1'b1;
          draining_reg[f] <= 1'b1;
        end

        if ((flr_in_process[f] && !was_flr_reg[f]) || hot_reset || !(function_enable[f] || off_reg[f])) begin
          cc_reg[f] <= 32'd0;
          mask_reg[f] <= 32'd0;
          aqa_reg[f] <= 32'd0;
          asq_reg[f] <= 64'd0;
          acq_reg[f] <= 64'd0;
          enabling_reg[f] <= 1'b0;
          draining_reg[f] <= 1'b1;
          clears_reg[f] <= 1'b1;
          // Answered also when the function is not there any more: the block waits for that.
          resetting_reg[f] <= flr_in_process[f] && !hot_reset;
        end
      end
    end

    if (rst) begin
      rdy_reg <= {FUNCTIONS{1'b0}};
      cfs_reg <= {FUNCTIONS{1'b0}};
      shutting_reg <= {FUNCTIONS{1'b0}};
      shut_reg <= {FUNCTIONS{1'b0}};
      draining_reg <= {FUNCTIONS{1'b0}};
      clears_reg <= {FUNCTIONS{1'b0}};
      resetting_reg <= {FUNCTIONS{1'b0}};
      enabling_reg <= {FUNCTIONS{1'b0}};
      flr_done_reg <= {FUNCTIONS{1'b0}};
      was_flr_reg <= {FUNCTIONS{1'b0}};
      was_master_reg <= {FUNCTIONS{1'b0}};
      off_reg <= {FUNCTIONS{1'b0}};
      for (f = 0; f < FUNCTIONS; f = f + 1) begin
        cc_reg[f] <= 32'd0;
        mask_reg[f] <= 32'd0;
        aqa_reg[f] <= 32'd0;
        asq_reg[f] <= 64'd0;
        acq_reg[f] <= 64'd0;
        countdown_reg[f] <= 5'd0;
      end
    end
  end

endmodule

`resetall
