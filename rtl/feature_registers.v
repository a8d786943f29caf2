// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// feature_registers: the features of each function as its host has set them (NVMe 1.1 §5.12.1).
//
// Nothing is saved: `clear` brings the defaults back, and the default is what a host gets that asks for a saved value.

`resetall
`timescale 1ns / 1ps
`default_nettype none

module feature_registers #(
    // Functions, and width of a function's number
    parameter FUNCTIONS = 7,
    parameter FUNCTION_WIDTH = 3,
    // I/O queue pairs of a function
    parameter IO_QUEUES = 4
) (
    input wire clk,
    input wire rst,

    // Functions whose features become their defaults
    input wire [FUNCTIONS-1:0] clear,

    // A feature of a function, and CDW11 (the vector's number, of that feature); its value or its default
    input  wire [FUNCTION_WIDTH-1:0] function_number,
    input  wire [               7:0] feature,
    input  wire [              31:0] argument,
    input  wire                      current,
    output reg  [              31:0] value,
    output wire                      known,
    // Its value is set to `argument`, at the end of the cycle
    input  wire                      set_valid,
    // `argument` cannot be set
    output wire                      refused,

    // By function: the temperature is above the threshold; and its event is enabled
    output reg  [   FUNCTIONS-1:0] too_hot,
    output reg  [   FUNCTIONS-1:0] hot_event,
    // Interrupt coalescing of each function, side by side: {time, threshold - 1}, and a bit for each vector left out
    output wire [16*FUNCTIONS-1:0] coalescing,
    output wire [32*FUNCTIONS-1:0] uncoalesced
);

  `include "nvme_defs.vh"

  localparam [15:0] LAST_VECTOR = IO_QUEUES;
  localparam [15:0] QUEUES_LESS_ONE = IO_QUEUES - 1;
  // Asynchronous Event Configuration: the bit of the temperature's critical warning
  localparam integer TEMPERATURE_EVENT = 1;

  reg [31:0] arbitration_reg[0:FUNCTIONS-1];
  reg [15:0] threshold_reg[0:FUNCTIONS-1];
  reg [15:0] recovery_reg[0:FUNCTIONS-1];
  reg [15:0] coalescing_reg[0:FUNCTIONS-1];
  reg [31:0] uncoalesced_reg[0:FUNCTIONS-1];
  reg [FUNCTIONS-1:0] atomicity_reg;
  reg [4:0] events_reg[0:FUNCTIONS-1];

  assign known = feature == FEATURE_ARBITRATION || feature == FEATURE_POWER_MANAGEMENT ||
      feature == FEATURE_TEMPERATURE_THRESHOLD || feature == FEATURE_ERROR_RECOVERY ||
      (feature >= FEATURE_NUMBER_OF_QUEUES && feature <= FEATURE_ASYNC_EVENT_CONFIGURATION);
  assign refused =
      (feature == FEATURE_POWER_MANAGEMENT && (argument & FEATURE_POWER_MANAGEMENT_MUST_BE_ZERO) != 32'd0) ||
      (feature == FEATURE_TEMPERATURE_THRESHOLD && (argument & FEATURE_TEMPERATURE_THRESHOLD_MUST_BE_ZERO) != 32'd0) ||
      (feature == FEATURE_NUMBER_OF_QUEUES && (argument[15:0] == 16'hffff || argument[31:16] == 16'hffff)) ||
      (feature == FEATURE_INTERRUPT_VECTOR_CONFIGURATION && argument[15:0] > LAST_VECTOR);

  always @* begin
    case (feature)
      FEATURE_ARBITRATION: value = current ? arbitration_reg[function_number] : FEATURE_ARBITRATION_DEFAULT;
      FEATURE_TEMPERATURE_THRESHOLD:
      value = current ? {16'd0, threshold_reg[function_number]} : FEATURE_TEMPERATURE_THRESHOLD_DEFAULT;
      FEATURE_ERROR_RECOVERY: value = current ? {16'd0, recovery_reg[function_number]} : FEATURE_ERROR_RECOVERY_DEFAULT;
      FEATURE_NUMBER_OF_QUEUES: value = {QUEUES_LESS_ONE, QUEUES_LESS_ONE};
      FEATURE_INTERRUPT_COALESCING:
      value = current ? {16'd0, coalescing_reg[function_number]} : FEATURE_INTERRUPT_COALESCING_DEFAULT;
      FEATURE_INTERRUPT_VECTOR_CONFIGURATION:
      value = {15'd0, current && uncoalesced_reg[function_number][argument[4:0]], argument[15:0]};
      FEATURE_WRITE_ATOMICITY: value = {31'd0, current && atomicity_reg[function_number]};
      FEATURE_ASYNC_EVENT_CONFIGURATION:
      value = current ? {27'd0, events_reg[function_number]} : FEATURE_ASYNC_EVENT_CONFIGURATION_DEFAULT;
      default: value = 32'd0;
    endcase
  end

  integer f;
  always @* begin
    for (f = 0; f < FUNCTIONS; f = f + 1) begin
      too_hot[f]   = TEMPERATURE_KELVIN[15:0] > threshold_reg[f];
      hot_event[f] = too_hot[f] && events_reg[f][TEMPERATURE_EVENT];
    end
  end

  genvar g;
  generate
    for (g = 0; g < FUNCTIONS; g = g + 1) begin : gen_coalescing
      assign coalescing[16*g+:16]  = coalescing_reg[g];
      assign uncoalesced[32*g+:32] = uncoalesced_reg[g];
    end
  endgenerate

  always @(posedge clk) begin
    if (set_valid) begin
      case (feature)
        FEATURE_ARBITRATION: arbitration_reg[function_number] <= argument & FEATURE_ARBITRATION_STORED;
        FEATURE_TEMPERATURE_THRESHOLD: threshold_reg[function_number] <= argument[15:0];
        FEATURE_ERROR_RECOVERY: recovery_reg[function_number] <= argument[15:0];
        FEATURE_INTERRUPT_COALESCING: coalescing_reg[function_number] <= argument[15:0];
        FEATURE_INTERRUPT_VECTOR_CONFIGURATION:
        uncoalesced_reg[function_number][argument[4:0]] <= argument[VECTOR_COALESCING_DISABLE];
        FEATURE_WRITE_ATOMICITY: atomicity_reg[function_number] <= argument[0];
        FEATURE_ASYNC_EVENT_CONFIGURATION: events_reg[function_number] <= argument[4:0];
        default: ;
      endcase
    end
    for (f = 0; f < FUNCTIONS; f = f + 1) begin
      if (rst || clear[f]) begin
        arbitration_reg[f] <= FEATURE_ARBITRATION_DEFAULT;
        threshold_reg[f] <= FEATURE_TEMPERATURE_THRESHOLD_DEFAULT[15:0];
        recovery_reg[f] <= FEATURE_ERROR_RECOVERY_DEFAULT[15:0];
        coalescing_reg[f] <= FEATURE_INTERRUPT_COALESCING_DEFAULT[15:0];
        uncoalesced_reg[f] <= 32'd0;
        atomicity_reg[f] <= 1'b0;
        events_reg[f] <= FEATURE_ASYNC_EVENT_CONFIGURATION_DEFAULT[4:0];
      end
    end
  end

endmodule

`resetall
