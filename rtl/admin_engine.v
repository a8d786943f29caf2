// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// admin_engine: what the controller answers to admin commands (NVMe 1.1 §5). One engine, a row of state each function.
//
// A command's answer is formed 64 cycles after it was decoded; one answer a cycle, lowest function first. Checks are
// done before anything changes. A page goes to the host in one or two bursts, the completion follows their last beat.

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
    // Makes and deletes queues
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
    // Which page each function's is, side by side
    output wire [  3*FUNCTIONS-1:0] pages,

    // The answer
    output wire                     end_valid,
    input  wire                     end_ready,
    output wire [CONTEXT_WIDTH-1:0] end_context,
    output wire [             10:0] end_status,
    output wire [             31:0] end_dword0,
    // It is held: no completion now
    output wire                     end_silent,

    // Event requests: one is to be held, functions that hold as many as they may; the error log is read
    output wire                      hold_valid,
    output wire [FUNCTION_WIDTH-1:0] hold_function,
    output wire [              15:0] hold_id,
    input  wire [     FUNCTIONS-1:0] hold_full,
    output wire                      log_read_valid,

    // Interrupt coalescing of each function, side by side: {time, threshold - 1}, and a bit for each vector left out
    output wire [16*FUNCTIONS-1:0] coalescing,
    output wire [32*FUNCTIONS-1:0] uncoalesced
);

  `include "nvme_defs.vh"

  // The decoder hands over two cycles before its time is up.
  localparam [6:0] WAIT_CYCLES = ADMIN_CYCLES[6:0] + 7'd1;
  localparam [4:0] ADMIN_NUMBER = 5'd16;
  localparam [15:0] LAST_QUEUE = IO_QUEUES;
  localparam [15:0] MOST_SLOTS = 16'd1024;
  localparam [15:0] LAST_VECTOR = IO_QUEUES;
  localparam [15:0] QUEUES_LESS_ONE = IO_QUEUES - 1;

  // What is to be done
  localparam [2:0] ANSWER = 3'd0;
  localparam [2:0] PAGE = 3'd1;
  localparam [2:0] CREATE_CQ = 3'd2;
  localparam [2:0] CREATE_SQ = 3'd3;
  localparam [2:0] DELETE_SQ = 3'd4;
  localparam [2:0] DELETE_CQ = 3'd5;
  localparam [2:0] HOLD = 3'd6;

  reg [511:0] entry_reg[0:FUNCTIONS-1];
  reg [  6:0] wait_reg [0:FUNCTIONS-1];
  reg [  2:0] page_reg [0:FUNCTIONS-1];
  // Each function's command: there, its first burst has gone, its queue has been dropped
  reg [FUNCTIONS-1:0] busy_reg, half_reg, dropped_reg;
  // Features: {arbitration, temperature threshold, error recovery, coalescing, atomicity, events}, and a bit a vector
  reg [31:0] arbitration_reg[0:FUNCTIONS-1];
  reg [15:0] threshold_reg[0:FUNCTIONS-1];
  reg [15:0] recovery_reg[0:FUNCTIONS-1];
  reg [15:0] coalescing_reg[0:FUNCTIONS-1];
  reg [31:0] uncoalesced_reg[0:FUNCTIONS-1];
  reg [FUNCTIONS-1:0] atomicity_reg;
  reg [4:0] events_reg[0:FUNCTIONS-1];

  reg [FUNCTION_WIDTH-1:0] last_waiting_reg;

  integer f;
  reg due;
  reg [FUNCTION_WIDTH-1:0] chosen;
  always @* begin
    due = 1'b0;
    chosen = {FUNCTION_WIDTH{1'b0}};
    for (f = FUNCTIONS - 1; f >= 0; f = f - 1) begin
      if (busy_reg[f] && wait_reg[f] == 7'd0 && (!dropped_reg[f] || f != {{(32 - FUNCTION_WIDTH) {1'b0}}, last_waiting_reg})) begin
        due = 1'b1;
        chosen = f[FUNCTION_WIDTH-1:0];
      end
    end
    if (!due && busy_reg[last_waiting_reg] && wait_reg[last_waiting_reg] == 7'd0) begin
      due = 1'b1;
      chosen = last_waiting_reg;
    end
  end
  // A function whose queue deletion was looked at last gives way to the others.

  wire [511:0] sqe = entry_reg[chosen];
  wire [7:0] opcode = sqe[7:0];
  wire [31:0] namespace_id = sqe[63:32];
  wire [63:0] prp1 = sqe[255:192];
  wire [63:0] prp2 = sqe[319:256];
  wire [31:0] cdw10 = sqe[351:320];
  wire [31:0] cdw11 = sqe[383:352];
  wire [15:0] queue_id = cdw10[15:0];
  wire [15:0] other_id = cdw11[31:16];
  wire [15:0] last_slot = cdw10[31:16];
  wire id_in_range = queue_id != 16'd0 && queue_id <= LAST_QUEUE;
  wire [ROW_WIDTH-1:0] row = {chosen, queue_id[QUEUE_WIDTH-1:0]};
  wire [ROW_WIDTH-1:0] other_row = {chosen, other_id[QUEUE_WIDTH-1:0]};
  wire bad_slots = last_slot == 16'd0 || last_slot >= MOST_SLOTS;
  wire bad_memory = !cdw11[0] || prp1[11:0] != 12'd0;

  integer q;
  reg in_use, any_queue;
  always @* begin
    in_use = 1'b0;
    any_queue = 1'b0;
    for (q = 1; q <= IO_QUEUES; q = q + 1) begin
      if (submission_live[{chosen, q[QUEUE_WIDTH-1:0]}] &&
          completion_queues[{chosen, q[QUEUE_WIDTH-1:0]}*QUEUE_WIDTH+:QUEUE_WIDTH] == queue_id[QUEUE_WIDTH-1:0])
        in_use = 1'b1;
      if (completion_live[{chosen, q[QUEUE_WIDTH-1:0]}]) any_queue = 1'b1;
    end
  end

  // A page's pieces
  wire is_log = opcode == ADMIN_GET_LOG_PAGE;
  wire [14:0] requested = is_log ? {1'b0, cdw10[27:16], 2'b00} + 15'd4 : 15'd4096;
  wire [12:0] length = requested > 15'd4096 ? 13'd4096 : requested[12:0];
  wire [12:0] room = 13'd4096 - {1'b0, prp1[11:0]};
  wire two_pieces = length > room;
  wire bad_pieces = prp1[1:0] != 2'd0 || (two_pieces &&
      ({3'd0, prp1[11:0]} + requested > 15'd8192 || prp2[11:0] != 12'd0));

  // Features
  wire [7:0] feature = cdw10[7:0];
  wire known_feature = feature == FEATURE_ARBITRATION || feature == FEATURE_POWER_MANAGEMENT ||
      feature == FEATURE_TEMPERATURE_THRESHOLD || feature == FEATURE_ERROR_RECOVERY ||
      (feature >= FEATURE_NUMBER_OF_QUEUES && feature <= FEATURE_ASYNC_EVENT_CONFIGURATION);
  wire of_namespace = namespace_id == 32'd1;
  wire of_controller = namespace_id == 32'd0 || namespace_id == 32'hffff_ffff;
  wire vector_there = cdw11[15:0] <= LAST_VECTOR;
  wire [2:0] select = cdw10[10:8];
  wire now = select == 3'd0;
  reg [31:0] value;
  always @* begin
    case (feature)
      FEATURE_ARBITRATION: value = now ? arbitration_reg[chosen] : 32'd0;
      FEATURE_TEMPERATURE_THRESHOLD: value = now ? {16'd0, threshold_reg[chosen]} : 32'd358;
      FEATURE_ERROR_RECOVERY: value = now ? {16'd0, recovery_reg[chosen]} : 32'd0;
      FEATURE_NUMBER_OF_QUEUES: value = {QUEUES_LESS_ONE, QUEUES_LESS_ONE};
      FEATURE_INTERRUPT_COALESCING: value = now ? {16'd0, coalescing_reg[chosen]} : 32'd0;
      FEATURE_INTERRUPT_VECTOR_CONFIGURATION: value = {15'd0, now && uncoalesced_reg[chosen][cdw11[4:0]], cdw11[15:0]};
      FEATURE_WRITE_ATOMICITY: value = {31'd0, now && atomicity_reg[chosen]};
      FEATURE_ASYNC_EVENT_CONFIGURATION: value = now ? {27'd0, events_reg[chosen]} : 32'd0;
      default: value = 32'd0;
    endcase
  end

  // The answer
  reg [2:0] action;
  reg [10:0] status;
  reg [31:0] dword0;
  reg [2:0] page;
  reg sets;
  always @* begin
    action = ANSWER;
    status = STATUS_SUCCESS;
    dword0 = 32'd0;
    page   = 3'd0;
    sets   = 1'b0;
    if (sqe[9:8] != 2'd0 || sqe[15:14] != 2'd0) status = STATUS_INVALID_FIELD;
    else
      case (opcode)
        ADMIN_CREATE_COMPLETION_QUEUE:
        if (!id_in_range || completion_live[row]) status = STATUS_INVALID_QUEUE_ID;
        else if (bad_slots) status = STATUS_MAXIMUM_QUEUE_SIZE_EXCEEDED;
        else if (bad_memory) status = STATUS_INVALID_FIELD;
        else if (cdw11[1] && other_id > LAST_VECTOR) status = STATUS_INVALID_INTERRUPT_VECTOR;
        else action = CREATE_CQ;
        ADMIN_CREATE_SUBMISSION_QUEUE:
        if (!id_in_range || submission_live[row]) status = STATUS_INVALID_QUEUE_ID;
        else if (bad_slots) status = STATUS_MAXIMUM_QUEUE_SIZE_EXCEEDED;
        else if (bad_memory) status = STATUS_INVALID_FIELD;
        else if (other_id == 16'd0 || other_id > LAST_QUEUE) status = STATUS_INVALID_QUEUE_ID;
        else if (!completion_live[other_row]) status = STATUS_COMPLETION_QUEUE_INVALID;
        else action = CREATE_SQ;
        ADMIN_DELETE_SUBMISSION_QUEUE:
        if (!id_in_range || !(submission_live[row] || dropped_reg[chosen])) status = STATUS_INVALID_QUEUE_ID;
        else action = DELETE_SQ;
        ADMIN_DELETE_COMPLETION_QUEUE:
        if (!id_in_range || !completion_live[row]) status = STATUS_INVALID_QUEUE_ID;
        else if (in_use) status = STATUS_INVALID_QUEUE_DELETION;
        else action = DELETE_CQ;
        ADMIN_IDENTIFY: begin
          case (cdw10[7:0])
            8'd0: if (namespace_id != 32'd1) status = STATUS_INVALID_NAMESPACE;
            8'd1: page = 3'd1;
            8'd2: begin
              page = namespace_id == 32'd0 ? 3'd2 : 3'd3;
              if (namespace_id > 32'hffff_fffd) status = STATUS_INVALID_NAMESPACE;
            end
            default: status = STATUS_INVALID_FIELD;
          endcase
          if (status == STATUS_SUCCESS && bad_pieces) status = STATUS_INVALID_FIELD;
          if (status == STATUS_SUCCESS) action = PAGE;
        end
        ADMIN_GET_LOG_PAGE: begin
          page = cdw10[7:0] == 8'd3 ? 3'd4 : (cdw10[7:0] == 8'd2 ? 3'd5 : 3'd3);
          if (cdw10[7:0] != 8'd1 && cdw10[7:0] != 8'd2 && cdw10[7:0] != 8'd3 && cdw10[7:0] != 8'hc0)
            status = STATUS_INVALID_LOG_PAGE;
          else if (of_namespace) status = STATUS_INVALID_FIELD;
          else if (!of_controller) status = STATUS_INVALID_NAMESPACE;
          else if (bad_pieces) status = STATUS_INVALID_FIELD;
          else action = PAGE;
        end
        ADMIN_ABORT:
        if (queue_id != 16'd0 && !(id_in_range && submission_live[row])) status = STATUS_INVALID_FIELD;
        else dword0 = 32'd1;
        ADMIN_SET_FEATURES:
        if (!known_feature) status = STATUS_INVALID_FIELD;
        else if (cdw10[31]) status = STATUS_FEATURE_NOT_SAVEABLE;
        else if (of_namespace) status = STATUS_FEATURE_NOT_NAMESPACE_SPECIFIC;
        else if (!of_controller) status = STATUS_INVALID_NAMESPACE;
        else if ((feature == FEATURE_POWER_MANAGEMENT && cdw11[4:0] != 5'd0) ||
            (feature == FEATURE_TEMPERATURE_THRESHOLD && cdw11[31:16] != 16'd0) ||
            (feature == FEATURE_NUMBER_OF_QUEUES && (cdw11[15:0] == 16'hffff || cdw11[31:16] == 16'hffff)) ||
            (feature == FEATURE_INTERRUPT_VECTOR_CONFIGURATION && !vector_there))
          status = STATUS_INVALID_FIELD;
        else if (feature == FEATURE_NUMBER_OF_QUEUES) begin
          if (any_queue) status = STATUS_COMMAND_SEQUENCE_ERROR;
          else dword0 = {QUEUES_LESS_ONE, QUEUES_LESS_ONE};
        end else sets = 1'b1;
        ADMIN_GET_FEATURES:
        if (!known_feature) status = STATUS_INVALID_FIELD;
        else if (!of_namespace && !of_controller) status = STATUS_INVALID_NAMESPACE;
        else if (select > 3'd3) status = STATUS_INVALID_FIELD;
        else if (select == 3'd3) dword0 = 32'd4;
        else if (feature == FEATURE_INTERRUPT_VECTOR_CONFIGURATION && !vector_there) status = STATUS_INVALID_FIELD;
        else dword0 = value;
        ADMIN_ASYNC_EVENT_REQUEST:
        if (hold_full[chosen]) status = STATUS_ASYNC_EVENT_LIMIT_EXCEEDED;
        else action = HOLD;
        default: status = STATUS_INVALID_OPCODE;
      endcase
  end

  wire gone = clear[chosen];
  wire deletes = due && !gone && action == DELETE_SQ;
  wire waits = deletes && !(dropped_reg[chosen] && delete_empty);
  assign burst_valid = due && !gone && action == PAGE;
  assign burst_context = {chosen, ADMIN_NUMBER};
  assign burst_address = half_reg[chosen] ? prp2 : prp1;
  assign burst_length = half_reg[chosen] ? length - room : (two_pieces ? room : length);
  assign burst_offset = half_reg[chosen] ? room[11:0] : 12'd0;
  assign burst_last = !two_pieces || half_reg[chosen];
  wire burst_done = burst_valid && burst_ready && burst_last;

  assign end_valid   = due && (gone || (action != PAGE && !waits));
  assign end_context = {chosen, ADMIN_NUMBER};
  assign end_status  = status;
  assign end_dword0  = dword0;
  assign end_silent  = action == HOLD;
  wire ends = end_valid && end_ready;
  wire acts = ends && !gone;

  assign hold_valid = acts && action == HOLD;
  assign hold_function = chosen;
  assign hold_id = sqe[31:16];
  assign log_read_valid = burst_done && is_log && cdw10[7:0] == LOG_PAGE_ERROR_INFORMATION;

  assign create_completion_valid = acts && action == CREATE_CQ;
  assign create_submission_valid = acts && action == CREATE_SQ;
  assign create_row = row;
  assign create_address = prp1;
  assign create_last = last_slot;
  assign create_completion_queue = other_id[QUEUE_WIDTH-1:0];
  assign create_interrupts = cdw11[1];
  assign create_vector = other_id[4:0];
  assign drop_submission_valid = deletes && !dropped_reg[chosen];
  assign remove_submission_valid = acts && action == DELETE_SQ;
  assign remove_completion_valid = acts && action == DELETE_CQ;
  assign delete_row = row;

  genvar g;
  generate
    for (g = 0; g < FUNCTIONS; g = g + 1) begin : gen_pages
      assign pages[3*g+:3] = page_reg[g];
      assign coalescing[16*g+:16] = coalescing_reg[g];
      assign uncoalesced[32*g+:32] = uncoalesced_reg[g];
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
    if (ends || burst_done) busy_reg[chosen] <= 1'b0;
    if (deletes) begin
      dropped_reg[chosen] <= 1'b1;
      last_waiting_reg <= chosen;
    end
    if (acts && sets) begin
      case (feature)
        FEATURE_ARBITRATION: arbitration_reg[chosen] <= cdw11 & 32'hffff_ff07;
        FEATURE_TEMPERATURE_THRESHOLD: threshold_reg[chosen] <= cdw11[15:0];
        FEATURE_ERROR_RECOVERY: recovery_reg[chosen] <= cdw11[15:0];
        FEATURE_INTERRUPT_COALESCING: coalescing_reg[chosen] <= cdw11[15:0];
        FEATURE_INTERRUPT_VECTOR_CONFIGURATION: uncoalesced_reg[chosen][cdw11[4:0]] <= cdw11[16];
        FEATURE_WRITE_ATOMICITY: atomicity_reg[chosen] <= cdw11[0];
        FEATURE_ASYNC_EVENT_CONFIGURATION: events_reg[chosen] <= cdw11[4:0];
        default: ;
      endcase
    end
    for (i = 0; i < FUNCTIONS; i = i + 1) begin
      if (rst || clear[i]) begin
        wait_reg[i] <= 7'd0;
        arbitration_reg[i] <= 32'd0;
        threshold_reg[i] <= 16'd358;
        recovery_reg[i] <= 16'd0;
        coalescing_reg[i] <= 16'd0;
        uncoalesced_reg[i] <= 32'd0;
        atomicity_reg[i] <= 1'b0;
        events_reg[i] <= 5'd0;
      end
    end
    if (rst) begin
      busy_reg <= {FUNCTIONS{1'b0}};
      last_waiting_reg <= {FUNCTION_WIDTH{1'b0}};
    end
  end

endmodule

`resetall
