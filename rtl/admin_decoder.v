// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// admin_decoder: every check of an admin command before anything changes, and what it leads to (NVMe 1.1 §5).
// Combinational.

`resetall
`timescale 1ns / 1ps
`default_nettype none

module admin_decoder #(
    // I/O queue pairs of a function, and width of a queue's number
    parameter IO_QUEUES   = 4,
    parameter QUEUE_WIDTH = 3
) (
    input wire [511:0] entry,

    // The function's queues
    input wire [(1<<QUEUE_WIDTH)-1:0] submission_live,
    input wire [(1<<QUEUE_WIDTH)-1:0] completion_live,
    input wire [(1<<QUEUE_WIDTH)*QUEUE_WIDTH-1:0] completion_queues,
    // The command is a deletion that has begun: its queue is being emptied
    input wire dropped,
    // The feature named by CDW10, of CDW11
    input wire feature_known,
    input wire feature_refused,
    input wire [31:0] feature_value,
    // The function holds as many event requests as it may
    input wire hold_full,

    // What is to be done (admin_actions.vh), or the status and {bit, byte} to blame
    output reg [ 3:0] action,
    output reg [10:0] status,
    output reg [10:0] location,
    output reg [31:0] dword0,
    // Of PAGE: which one, how many bytes of it, how many of them before the end of PRP1's page
    output reg [ 2:0] page,
    output reg [12:0] length,
    output reg [12:0] room
);

  `include "nvme_defs.vh"
  `include "admin_actions.vh"

  localparam [15:0] LAST_QUEUE = IO_QUEUES;
  localparam [15:0] LAST_VECTOR = IO_QUEUES;
  localparam [15:0] MOST_SLOTS = MAXIMUM_QUEUE_ENTRIES[15:0];
  localparam [15:0] QUEUES_LESS_ONE = IO_QUEUES - 1;
  localparam [31:0] LAST_LISTABLE = 32'hffff_fffd;
  localparam [31:0] CHANGEABLE = 32'd4;
  // {bit, byte} of an SQE
  localparam [10:0] OPCODE_BYTE = {3'd0, 8'd0};
  localparam [10:0] FUSE_BYTE = {3'd0, 8'd1};
  localparam [10:0] PSDT_BIT = {3'd6, 8'd1};
  localparam [10:0] NAMESPACE_BYTE = {3'd0, 8'd4};
  localparam [10:0] PRP1_BYTE = {3'd0, 8'd24};
  localparam [10:0] PRP2_BYTE = {3'd0, 8'd32};
  localparam [10:0] CDW10_BYTE = {3'd0, 8'd40};
  localparam [10:0] SELECT_BYTE = {3'd0, 8'd41};
  localparam [10:0] CDW10_UPPER = {3'd0, 8'd42};
  localparam [10:0] SAVE_BIT = {3'd7, 8'd43};
  localparam [10:0] CDW11_BYTE = {3'd0, 8'd44};
  localparam [10:0] CDW11_UPPER = {3'd0, 8'd46};

  wire [7:0] opcode = entry[7:0];
  wire [31:0] namespace_id = entry[63:32];
  wire [63:0] prp1 = entry[255:192];
  wire [63:0] prp2 = entry[319:256];
  wire [31:0] cdw10 = entry[351:320];
  wire [31:0] cdw11 = entry[383:352];

  // Queues
  wire [15:0] queue_id = cdw10[15:0];
  wire [15:0] last_slot = cdw10[31:16];
  wire [15:0] other_id = cdw11[31:16];
  wire [QUEUE_WIDTH-1:0] queue = queue_id[QUEUE_WIDTH-1:0];
  wire [QUEUE_WIDTH-1:0] other_queue = other_id[QUEUE_WIDTH-1:0];
  wire id_in_range = queue_id != 16'd0 && queue_id <= LAST_QUEUE;
  wire bad_slots = last_slot == 16'd0 || last_slot >= MOST_SLOTS;
  integer q;
  reg in_use, any_queue;
  always @* begin
    in_use = 1'b0;
    any_queue = 1'b0;
    for (q = 1; q <= IO_QUEUES; q = q + 1) begin
      if (submission_live[q] && completion_queues[q*QUEUE_WIDTH+:QUEUE_WIDTH] == queue) in_use = 1'b1;
      if (completion_live[q]) any_queue = 1'b1;
    end
  end

  // Where a page goes
  wire is_log = opcode == ADMIN_GET_LOG_PAGE;
  wire [14:0] requested = is_log ? {1'b0, cdw10[27:16], 2'b00} + 15'd4 : 15'd4096;
  wire two_pieces = length > room;
  wire bad_prp1 = prp1[1:0] != 2'd0 || (two_pieces && {3'd0, prp1[11:0]} + requested > 15'd8192);
  wire bad_prp2 = two_pieces && prp2[11:0] != 12'd0;

  wire of_namespace = namespace_id == NAMESPACE_ID;
  wire of_controller = namespace_id == 32'd0 || namespace_id == ALL_NAMESPACES;
  wire [2:0] select = cdw10[CDW10_GET_SELECT+:3];
  wire [7:0] structure = cdw10[7:0];

  always @* begin
    action = ANSWER;
    status = STATUS_SUCCESS;
    location = 11'd0;
    dword0 = 32'd0;
    page = NO_PAGE;
    length = requested > 15'd4096 ? 13'd4096 : requested[12:0];
    room = 13'd4096 - {1'b0, prp1[11:0]};
    if (entry[9:8] != FUSE_NORMAL) {status, location} = {STATUS_INVALID_FIELD, FUSE_BYTE};
    else if (entry[15:14] != 2'd0) {status, location} = {STATUS_INVALID_FIELD, PSDT_BIT};
    else
      case (opcode)
        ADMIN_CREATE_COMPLETION_QUEUE:
        if (!id_in_range || completion_live[queue]) {status, location} = {STATUS_INVALID_QUEUE_ID, CDW10_BYTE};
        else if (bad_slots) {status, location} = {STATUS_MAXIMUM_QUEUE_SIZE_EXCEEDED, CDW10_UPPER};
        else if (!cdw11[CDW11_CREATE_CONTIGUOUS]) {status, location} = {STATUS_INVALID_FIELD, CDW11_BYTE};
        else if (prp1[11:0] != 12'd0) {status, location} = {STATUS_INVALID_FIELD, PRP1_BYTE};
        else if (cdw11[CDW11_CREATE_INTERRUPTS_ENABLED] && other_id > LAST_VECTOR)
          {status, location} = {STATUS_INVALID_INTERRUPT_VECTOR, CDW11_UPPER};
        else action = CREATE_CQ;
        ADMIN_CREATE_SUBMISSION_QUEUE:
        if (!id_in_range || submission_live[queue]) {status, location} = {STATUS_INVALID_QUEUE_ID, CDW10_BYTE};
        else if (bad_slots) {status, location} = {STATUS_MAXIMUM_QUEUE_SIZE_EXCEEDED, CDW10_UPPER};
        else if (!cdw11[CDW11_CREATE_CONTIGUOUS]) {status, location} = {STATUS_INVALID_FIELD, CDW11_BYTE};
        else if (prp1[11:0] != 12'd0) {status, location} = {STATUS_INVALID_FIELD, PRP1_BYTE};
        else if (other_id == 16'd0 || other_id > LAST_QUEUE)
          {status, location} = {STATUS_INVALID_QUEUE_ID, CDW11_UPPER};
        else if (!completion_live[other_queue]) {status, location} = {STATUS_COMPLETION_QUEUE_INVALID, CDW11_UPPER};
        else action = CREATE_SQ;
        ADMIN_DELETE_SUBMISSION_QUEUE:
        if (!id_in_range || !(submission_live[queue] || dropped))
          {status, location} = {STATUS_INVALID_QUEUE_ID, CDW10_BYTE};
        else action = DELETE_SQ;
        ADMIN_DELETE_COMPLETION_QUEUE:
        if (!id_in_range || !completion_live[queue]) {status, location} = {STATUS_INVALID_QUEUE_ID, CDW10_BYTE};
        else if (in_use) {status, location} = {STATUS_INVALID_QUEUE_DELETION, CDW10_BYTE};
        else action = DELETE_CQ;
        ADMIN_IDENTIFY:
        if (structure > CNS_ACTIVE_NAMESPACES) {status, location} = {STATUS_INVALID_FIELD, CDW10_BYTE};
        else if ((structure == CNS_NAMESPACE && !of_namespace) ||
            (structure == CNS_ACTIVE_NAMESPACES && namespace_id > LAST_LISTABLE))
          {status, location} = {STATUS_INVALID_NAMESPACE, NAMESPACE_BYTE};
        else if (bad_prp1) {status, location} = {STATUS_INVALID_FIELD, PRP1_BYTE};
        else if (bad_prp2) {status, location} = {STATUS_INVALID_FIELD, PRP2_BYTE};
        else begin
          action = PAGE;
          // Of the list: no namespace is above the only one.
          page   = structure == CNS_ACTIVE_NAMESPACES && namespace_id >= NAMESPACE_ID ? NO_PAGE : structure[2:0];
        end
        ADMIN_GET_LOG_PAGE: begin
          case (cdw10[7:0])
            LOG_PAGE_ERROR_INFORMATION: page = ERRORS_PAGE;
            LOG_PAGE_HEALTH: page = HEALTH_PAGE;
            LOG_PAGE_FIRMWARE_SLOT: page = FIRMWARE_PAGE;
            default: page = COUNTERS_PAGE;
          endcase
          if (page == COUNTERS_PAGE && cdw10[7:0] != LOG_PAGE_COUNTERS)
            {status, location} = {STATUS_INVALID_LOG_PAGE, CDW10_BYTE};
          else if (of_namespace) {status, location} = {STATUS_INVALID_FIELD, NAMESPACE_BYTE};
          else if (!of_controller) {status, location} = {STATUS_INVALID_NAMESPACE, NAMESPACE_BYTE};
          else if (bad_prp1) {status, location} = {STATUS_INVALID_FIELD, PRP1_BYTE};
          else if (bad_prp2) {status, location} = {STATUS_INVALID_FIELD, PRP2_BYTE};
          else action = PAGE;
        end
        ADMIN_ABORT:
        if (queue_id != 16'd0 && !(id_in_range && submission_live[queue]))
          {status, location} = {STATUS_INVALID_FIELD, CDW10_BYTE};
        else action = ABORT;
        ADMIN_SET_FEATURES:
        if (!feature_known) {status, location} = {STATUS_INVALID_FIELD, CDW10_BYTE};
        else if (cdw10[CDW10_SET_SAVE]) {status, location} = {STATUS_FEATURE_NOT_SAVEABLE, SAVE_BIT};
        else if (of_namespace) {status, location} = {STATUS_FEATURE_NOT_NAMESPACE_SPECIFIC, NAMESPACE_BYTE};
        else if (!of_controller) {status, location} = {STATUS_INVALID_NAMESPACE, NAMESPACE_BYTE};
        else if (feature_refused) {status, location} = {STATUS_INVALID_FIELD, CDW11_BYTE};
        else if (cdw10[7:0] == FEATURE_NUMBER_OF_QUEUES && any_queue)
          {status, location} = {STATUS_COMMAND_SEQUENCE_ERROR, CDW10_BYTE};
        else if (cdw10[7:0] == FEATURE_NUMBER_OF_QUEUES) dword0 = {QUEUES_LESS_ONE, QUEUES_LESS_ONE};
        else action = SET_FEATURE;
        ADMIN_GET_FEATURES:
        if (!feature_known) {status, location} = {STATUS_INVALID_FIELD, CDW10_BYTE};
        else if (!of_namespace && !of_controller) {status, location} = {STATUS_INVALID_NAMESPACE, NAMESPACE_BYTE};
        else if (select > 3'd3) {status, location} = {STATUS_INVALID_FIELD, SELECT_BYTE};
        else if (select == 3'd3) dword0 = CHANGEABLE;
        else if (cdw10[7:0] == FEATURE_INTERRUPT_VECTOR_CONFIGURATION && feature_refused)
          {status, location} = {STATUS_INVALID_FIELD, CDW11_BYTE};
        else dword0 = feature_value;
        ADMIN_ASYNC_EVENT_REQUEST:
        if (hold_full) {status, location} = {STATUS_ASYNC_EVENT_LIMIT_EXCEEDED, OPCODE_BYTE};
        else action = HOLD;
        default: {status, location} = {STATUS_INVALID_OPCODE, OPCODE_BYTE};
      endcase
  end

endmodule

`resetall
