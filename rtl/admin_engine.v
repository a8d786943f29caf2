// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// admin_engine: what the controller answers to admin commands (NVMe 1.1 §5). One engine, a row of state each function.
//
// A command's answer is formed 64 cycles after it was decoded, and stands in a register until it is taken; checks are done
// before anything changes. A page goes to the host in one or two bursts, the completion follows their last beat. A command
// that has to wait gives way to those of other functions.

`resetall
`timescale 1ns / 1ps
`default_nettype none

module admin_engine #(
    // Functions, and width of a function's number
    parameter FUNCTIONS = 7,
    parameter FUNCTION_WIDTH = 3,
    // I/O queue pairs of a function, and width of a queue's number
    parameter IO_QUEUES = 4,
    parameter QUEUE_WIDTH = 3,
    // Widths of a row's and of a context's number (derived)
    parameter ROW_WIDTH = FUNCTION_WIDTH + QUEUE_WIDTH,
    parameter CONTEXT_WIDTH = FUNCTION_WIDTH + 5
) (
    input wire clk,
    input wire rst,

    // Functions that lose their commands and their state
    input wire [FUNCTIONS-1:0] clear,

    // A command
    input wire                     start_valid,
    input wire [CONTEXT_WIDTH-1:0] start_context,
    input wire [            511:0] start_entry,

    // The queues there are
    input  wire [            (1<<ROW_WIDTH)-1:0] submission_live,
    input  wire [            (1<<ROW_WIDTH)-1:0] completion_live,
    input  wire [(1<<ROW_WIDTH)*QUEUE_WIDTH-1:0] completion_queues,
    // Makes and deletes queues; not in this cycle
    input  wire                                  queues_busy,
    output wire                                  create_submission_valid,
    output wire                                  create_completion_valid,
    output wire [                 ROW_WIDTH-1:0] create_row,
    output wire [                          63:0] create_address,
    output wire [                          15:0] create_last,
    output wire [               QUEUE_WIDTH-1:0] create_completion_queue,
    output wire                                  create_interrupts,
    output wire [                           4:0] create_vector,
    output wire                                  drop_submission_valid,
    output wire                                  remove_submission_valid,
    output wire                                  remove_completion_valid,
    output wire [                 ROW_WIDTH-1:0] delete_row,
    input  wire                                  delete_empty,

    // A page to the host: a burst, taken when ready
    output wire                     burst_valid,
    input  wire                     burst_ready,
    output wire [CONTEXT_WIDTH-1:0] burst_context,
    output wire [             63:0] burst_address,
    output wire [             12:0] burst_length,
    output wire [             11:0] burst_offset,
    output wire                     burst_last,
    // Which page each function's is, side by side; that of the error log is sent as it stands now
    output wire [  3*FUNCTIONS-1:0] pages,
    output wire                     open_errors_valid,

    // The answer
    output reg                      end_valid,
    input  wire                     end_ready,
    output reg  [CONTEXT_WIDTH-1:0] end_context,
    output reg  [             10:0] end_status,
    output reg  [             31:0] end_dword0,
    // {bit, byte} of the SQE to blame
    output reg  [             10:0] end_location,
    // It is held: no completion now
    output reg                      end_silent,

    // The function that everything here is of
    output wire [FUNCTION_WIDTH-1:0] function_number,
    // Event requests: one is to be held, functions that hold as many as they may; error log and health page are read
    output wire                      hold_valid,
    output wire [              15:0] hold_id,
    input  wire [     FUNCTIONS-1:0] hold_full,
    output wire                      errors_read_valid,
    output wire                      health_read_valid,

    // Its command is an Abort, to be done now; it has been done, and has aborted nothing
    output wire        abort_valid,
    output wire [15:0] abort_queue_id,
    output wire [15:0] abort_id,
    input  wire        abort_done,
    input  wire        abort_failed,
    // Its command is over
    output wire        over_valid,

    // By function: the temperature is above its threshold; and its event is enabled
    output wire [   FUNCTIONS-1:0] too_hot,
    output wire [   FUNCTIONS-1:0] hot_event,
    // Interrupt coalescing of each function, side by side: {time, threshold - 1}, and a bit for each vector left out
    output wire [16*FUNCTIONS-1:0] coalescing,
    output wire [32*FUNCTIONS-1:0] uncoalesced
);

  `include "nvme_defs.vh"
  `include "admin_actions.vh"

  // The decoder hands over two cycles before its time is up; the answer's register takes one of them.
  localparam [6:0] WAIT_CYCLES = ADMIN_CYCLES[6:0] - 7'd1;
  localparam [4:0] ADMIN_NUMBER = 5'd16;

  reg [511:0] entry_reg[0:FUNCTIONS-1];
  reg [  6:0] wait_reg [0:FUNCTIONS-1];
  reg [  2:0] page_reg [0:FUNCTIONS-1];
  // Each function's command: there, due before, its first burst has gone, its queue has been dropped
  reg [FUNCTIONS-1:0] busy_reg, was_due_reg, half_reg, dropped_reg;
  reg [FUNCTION_WIDTH-1:0] from_reg;

  integer f;
  reg [FUNCTIONS-1:0] is_due;
  always @* for (f = 0; f < FUNCTIONS; f = f + 1) is_due[f] = busy_reg[f] && wait_reg[f] == 7'd0;
  wire due;
  wire [FUNCTION_WIDTH-1:0] chosen;
  round_robin #(
      .COUNT(FUNCTIONS),
      .WIDTH(FUNCTION_WIDTH)
  ) turn (
      .request(is_due),
      .from(from_reg),
      .chosen(chosen),
      .valid(due)
  );
  assign function_number = chosen;

  wire [511:0] sqe = entry_reg[chosen];
  wire [ 63:0] prp1 = sqe[255:192];
  wire [ 63:0] prp2 = sqe[319:256];
  wire [ 31:0] cdw10 = sqe[351:320];
  wire [ 31:0] cdw11 = sqe[383:352];

  wire feature_known, feature_refused, sets;
  wire [31:0] feature_value;
  wire [ 3:0] action;
  wire [ 2:0] page;
  wire [31:0] dword0;
  wire [10:0] status, location;
  wire [12:0] length, room;
  wire two_pieces = length > room;
  feature_registers #(
      .FUNCTIONS(FUNCTIONS),
      .FUNCTION_WIDTH(FUNCTION_WIDTH),
      .IO_QUEUES(IO_QUEUES)
  ) features (
      .clk(clk),
      .rst(rst),
      .clear(clear),
      .function_number(chosen),
      .feature(cdw10[7:0]),
      .argument(cdw11),
      .current(cdw10[CDW10_GET_SELECT+:3] == 3'd0),
      .value(feature_value),
      .known(feature_known),
      .set_valid(sets),
      .refused(feature_refused),
      .too_hot(too_hot),
      .hot_event(hot_event),
      .coalescing(coalescing),
      .uncoalesced(uncoalesced)
  );
  admin_decoder #(
      .IO_QUEUES  (IO_QUEUES),
      .QUEUE_WIDTH(QUEUE_WIDTH)
  ) decoder (
      .entry(sqe),
      .submission_live(submission_live[{chosen, {QUEUE_WIDTH{1'b0}}}+:1<<QUEUE_WIDTH]),
      .completion_live(completion_live[{chosen, {QUEUE_WIDTH{1'b0}}}+:1<<QUEUE_WIDTH]),
      .completion_queues(completion_queues[{chosen, {QUEUE_WIDTH{1'b0}}}*QUEUE_WIDTH+:QUEUE_WIDTH<<QUEUE_WIDTH]),
      .dropped(dropped_reg[chosen]),
      .feature_known(feature_known),
      .feature_refused(feature_refused),
      .feature_value(feature_value),
      .hold_full(hold_full[chosen]),
      .action(action),
      .status(status),
      .location(location),
      .dword0(dword0),
      .page(page),
      .length(length),
      .room(room)
  );

  wire gone = clear[chosen];
  wire deletes = due && !gone && action == DELETE_SQ;
  assign abort_valid = due && !gone && action == ABORT;
  assign abort_queue_id = cdw10[15:0];
  assign abort_id = cdw10[31:16];
  wire waits = (deletes && !(dropped_reg[chosen] && delete_empty)) || (abort_valid && !abort_done);
  assign burst_valid = due && was_due_reg[chosen] && !gone && action == PAGE;
  assign burst_context = {chosen, ADMIN_NUMBER};
  assign burst_address = half_reg[chosen] ? prp2 : prp1;
  assign burst_length = half_reg[chosen] ? length - room : (two_pieces ? room : length);
  assign burst_offset = half_reg[chosen] ? room[11:0] : 12'd0;
  assign burst_last = !two_pieces || half_reg[chosen];
  wire burst_done = burst_valid && burst_ready && burst_last;

  wire ends = due && (gone || (action != PAGE && !waits)) && !end_valid && !queues_busy;
  wire acts = ends && !gone;
  assign over_valid = ends || burst_done;

  assign sets = acts && action == SET_FEATURE;
  assign hold_valid = acts && action == HOLD;
  assign hold_id = sqe[31:16];
  assign open_errors_valid = burst_valid && burst_ready && !half_reg[chosen] && page == ERRORS_PAGE;
  assign errors_read_valid = burst_done && page == ERRORS_PAGE;
  assign health_read_valid = burst_done && page == HEALTH_PAGE;

  assign create_completion_valid = acts && action == CREATE_CQ;
  assign create_submission_valid = acts && action == CREATE_SQ;
  assign create_row = {chosen, cdw10[QUEUE_WIDTH-1:0]};
  assign create_address = prp1;
  assign create_last = cdw10[31:16];
  assign create_completion_queue = cdw11[16+:QUEUE_WIDTH];
  assign create_interrupts = cdw11[CDW11_CREATE_INTERRUPTS_ENABLED];
  assign create_vector = cdw11[20:16];
  assign drop_submission_valid = deletes && !dropped_reg[chosen];
  assign remove_submission_valid = acts && action == DELETE_SQ;
  assign remove_completion_valid = acts && action == DELETE_CQ;
  assign delete_row = create_row;

  genvar g;
  generate
    for (g = 0; g < FUNCTIONS; g = g + 1) begin : gen_pages
      assign pages[3*g+:3] = page_reg[g];
    end
  endgenerate

  wire [FUNCTION_WIDTH-1:0] start_function = start_context[CONTEXT_WIDTH-1:5];
  integer i;
  always @(posedge clk) begin
    for (i = 0; i < FUNCTIONS; i = i + 1) if (wait_reg[i] != 7'd0) wait_reg[i] <= wait_reg[i] - 7'd1;
    if (start_valid) begin
      entry_reg[start_function] <= start_entry;
      wait_reg[start_function] <= WAIT_CYCLES;
      busy_reg[start_function] <= 1'b1;
      half_reg[start_function] <= 1'b0;
      dropped_reg[start_function] <= 1'b0;
    end
    if (burst_valid && burst_ready) begin
      page_reg[chosen] <= page;
      half_reg[chosen] <= 1'b1;
    end
    if (over_valid) busy_reg[chosen] <= 1'b0;
    was_due_reg <= is_due;
    if (end_ready) end_valid <= 1'b0;
    if (ends) begin
      end_valid <= 1'b1;
      end_context <= {chosen, ADMIN_NUMBER};
      end_status <= status;
      end_dword0 <= action == ABORT ? {31'd0, abort_failed} : dword0;
      end_location <= location;
      end_silent <= action == HOLD;
    end
    if (deletes) dropped_reg[chosen] <= 1'b1;
    if (waits) from_reg <= chosen == FUNCTIONS[FUNCTION_WIDTH-1:0] - 1'b1 ? {FUNCTION_WIDTH{1'b0}} : chosen + 1'b1;
    for (i = 0; i < FUNCTIONS; i = i + 1) if (clear[i]) wait_reg[i] <= 7'd0;
    if (rst) begin
      end_valid <= 1'b0;
      busy_reg  <= {FUNCTIONS{1'b0}};
      from_reg  <= {FUNCTION_WIDTH{1'b0}};
    end
  end

endmodule

`resetall
