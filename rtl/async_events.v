// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// async_events: Asynchronous Event Requests that are held, and the events there are: of wrong doorbells, and of a
// temperature that has risen above its threshold (NVMe 1.1 §5.2).
//
// An event waits for a request, and for the mask that an event of its type leaves until its log page is read. One that
// is pending already is not entered again. Errors go before health, the older error first, with the oldest request.

`resetall
`timescale 1ns / 1ps
`default_nettype none

module async_events #(
    // Functions, and width of a function's number
    parameter FUNCTIONS = 7,
    parameter FUNCTION_WIDTH = 3
) (
    input wire clk,
    input wire rst,

    // Functions that lose requests and events
    input wire [FUNCTIONS-1:0] clear,

    // A request is held; functions that hold as many as they may
    input  wire                      hold_valid,
    input  wire [FUNCTION_WIDTH-1:0] hold_function,
    input  wire [              15:0] hold_id,
    output reg  [     FUNCTIONS-1:0] full,

    // A held request of this identifier is looked for while valid; known in the end; taken out, when it was found
    input  wire                      withdraw_valid,
    input  wire [FUNCTION_WIDTH-1:0] withdraw_function,
    input  wire [              15:0] withdraw_id,
    output wire                      withdraw_known,
    output wire                      withdraw_found,
    input  wire                      withdraw_take,

    // A doorbell of no queue; a value that cannot be
    input wire                      wrong_register,
    input wire                      wrong_value,
    input wire [FUNCTION_WIDTH-1:0] wrong_function,

    // Too hot, of functions whose event is enabled: an event when it begins
    input wire [FUNCTIONS-1:0] hot,

    // The error log was read, the health page was
    input wire                      errors_read_valid,
    input wire                      health_read_valid,
    input wire [FUNCTION_WIDTH-1:0] read_function,

    // A request is to be completed: when its function's admin CQ has a slot
    input  wire [     FUNCTIONS-1:0] room,
    output wire                      event_valid,
    input  wire                      event_ready,
    output wire [FUNCTION_WIDTH-1:0] event_function,
    output wire [              15:0] event_id,
    output wire [              31:0] event_dword0
);

  `include "nvme_defs.vh"

  reg [15:0] id_memory[0:(FUNCTIONS<<2)-1];
  reg [1:0] first_reg[0:FUNCTIONS-1];
  reg [2:0] held_reg[0:FUNCTIONS-1];
  // By type, the mask; the events that are pending
  reg [FUNCTIONS-1:0] errors_masked_reg, health_masked_reg;
  reg [FUNCTIONS-1:0] register_reg, value_reg, value_older_reg, heat_reg, was_hot_reg;

  // The request that is looked for: looked at the oldest first; when it is taken out, those behind it move up
  localparam [1:0] REST = 2'd0;
  localparam [1:0] LOOK = 2'd1;
  localparam [1:0] KNOWN = 2'd2;
  localparam [1:0] MOVE = 2'd3;
  reg [1:0] state_reg;
  reg found_reg;
  reg [2:0] at_reg;
  reg [FUNCTION_WIDTH-1:0] withdraw_function_reg;
  wire [2:0] withdraw_held = held_reg[withdraw_function_reg];
  wire [1:0] withdraw_place = first_reg[withdraw_function_reg] + at_reg[1:0];
  wire [1:0] next_place = withdraw_place + 2'd1;
  wire moves = state_reg == MOVE && at_reg + 3'd1 < withdraw_held;
  wire [15:0] looked_id = id_memory[{withdraw_function_reg, state_reg==MOVE?next_place : withdraw_place}];
  assign withdraw_known = state_reg == KNOWN;
  assign withdraw_found = found_reg;
  wire shrinks = state_reg == MOVE && !moves;

  integer f;
  reg found;
  reg [FUNCTIONS-1:0] error_due;
  reg [FUNCTION_WIDTH-1:0] chosen;
  always @* begin
    found  = 1'b0;
    chosen = {FUNCTION_WIDTH{1'b0}};
    for (f = FUNCTIONS - 1; f >= 0; f = f - 1) begin
      full[f] = held_reg[f] == EVENT_REQUESTS[2:0];
      error_due[f] = (register_reg[f] || value_reg[f]) && !errors_masked_reg[f];
      if (held_reg[f] != 3'd0 && (error_due[f] || (heat_reg[f] && !health_masked_reg[f])) && room[f] && !clear[f] &&
          !(state_reg != REST && f[FUNCTION_WIDTH-1:0] == withdraw_function_reg)) begin
        found  = 1'b1;
        chosen = f[FUNCTION_WIDTH-1:0];
      end
    end
  end

  wire takes_value = value_reg[chosen] && (!register_reg[chosen] || value_older_reg[chosen]);
  assign event_valid = found;
  assign event_function = chosen;
  assign event_id = id_memory[{chosen, first_reg[chosen]}];
  assign event_dword0 = !error_due[chosen] ? EVENT_TEMPERATURE_THRESHOLD :
      (takes_value ? EVENT_INVALID_DOORBELL_VALUE : EVENT_INVALID_DOORBELL_REGISTER);
  wire taken = event_valid && event_ready;
  wire [1:0] hold_place = first_reg[hold_function] + held_reg[hold_function][1:0];

  always @(posedge clk) begin
    if (hold_valid || moves)
      id_memory[hold_valid ? {hold_function, hold_place} : {withdraw_function_reg, withdraw_place}] <=
          hold_valid ? hold_id : looked_id;
    case (state_reg)
      REST:
      if (withdraw_valid) begin
        state_reg <= LOOK;
        at_reg <= 3'd0;
        withdraw_function_reg <= withdraw_function;
      end
      LOOK: begin
        found_reg <= at_reg != withdraw_held;
        if (at_reg == withdraw_held || looked_id == withdraw_id) state_reg <= KNOWN;
        else at_reg <= at_reg + 3'd1;
      end
      KNOWN: begin
        if (withdraw_take) state_reg <= MOVE;
        else if (!withdraw_valid) state_reg <= REST;
      end
      default: begin
        if (!moves) state_reg <= REST;
        else if (!hold_valid) at_reg <= at_reg + 3'd1;
      end
    endcase
    if (rst || clear[withdraw_function_reg]) state_reg <= REST;
    if (hold_valid || taken || shrinks)
      for (f = 0; f < FUNCTIONS; f = f + 1) begin
        held_reg[f] <= held_reg[f] + {2'd0, hold_valid && hold_function == f[FUNCTION_WIDTH-1:0]} -
          {2'd0, taken && chosen == f[FUNCTION_WIDTH-1:0]} -
          {2'd0, shrinks && withdraw_function_reg == f[FUNCTION_WIDTH-1:0]};
      end
    if (taken) begin
      first_reg[chosen] <= first_reg[chosen] + 2'd1;
      if (!error_due[chosen]) begin
        health_masked_reg[chosen] <= 1'b1;
        heat_reg[chosen] <= 1'b0;
      end else begin
        errors_masked_reg[chosen] <= 1'b1;
        if (takes_value) value_reg[chosen] <= 1'b0;
        else register_reg[chosen] <= 1'b0;
      end
    end
    if (errors_read_valid) errors_masked_reg[read_function] <= 1'b0;
    if (health_read_valid) health_masked_reg[read_function] <= 1'b0;
    if (wrong_register) begin
      register_reg[wrong_function] <= 1'b1;
      if (!register_reg[wrong_function]) value_older_reg[wrong_function] <= 1'b1;
    end
    if (wrong_value) begin
      value_reg[wrong_function] <= 1'b1;
      if (!value_reg[wrong_function]) value_older_reg[wrong_function] <= 1'b0;
    end
    for (f = 0; f < FUNCTIONS; f = f + 1) begin
      if (hot[f] && !was_hot_reg[f]) heat_reg[f] <= 1'b1;
      was_hot_reg[f] <= hot[f];
      if (rst || clear[f]) begin
        was_hot_reg[f] <= 1'b0;
        heat_reg[f] <= 1'b0;
        first_reg[f] <= 2'd0;
        held_reg[f] <= 3'd0;
        errors_masked_reg[f] <= 1'b0;
        health_masked_reg[f] <= 1'b0;
        register_reg[f] <= 1'b0;
        value_reg[f] <= 1'b0;
      end
    end
  end

endmodule

`resetall
