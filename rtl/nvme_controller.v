// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// nvme_controller: an NVMe 1.1 controller with SR-IOV, from the streams of the Virtex-7 Gen3 PCIe block to AXI4 memory.
//
// Streams are 256 bit wide, tkeep counts dwords (8 bits), every TLP begins with a beat of its own at
// bit 0 (no straddling), dword-aligned. Field layouts, all little-endian from bit 0 of the first beat:
//
//   CQ  descriptor 16 B, data from bit 128
//       [1:0] address type  [63:2] address (13:2: offset in BAR0)  [74:64] dword count
//       [78:75] request type (0 memory read, 1 memory write)  [95:80] requester ID  [103:96] tag
//       [111:104] target function (0 PF, 64 + n VF n)  [114:112] BAR ID  [120:115] BAR aperture
//       [123:121] traffic class  [126:124] attributes
//       tuser[84:0]: [3:0] first byte enables  [7:4] last byte enables  [39:8] byte enables  [40] first
//       beat  [41] discontinue  [84:42] not looked at
//   CC  descriptor 12 B, data from bit 96
//       [6:0] lower address  [9:8] address type  [28:16] byte count  [29] locked read
//       [42:32] dword count  [45:43] completion status (0 success, 1 unsupported request)  [46] poisoned
//       [63:48] requester ID  [71:64] tag  [79:72] completer function  [87:80] completer bus (0)
//       [88] completer ID enable (0)  [91:89] traffic class  [94:92] attributes
//       tuser[32:0]: [0] discontinue (0)  [32:1] parity (0)
//   RQ  descriptor 16 B, data from bit 128
//       [1:0] address type (0)  [63:2] address  [74:64] dword count  [78:75] request type (0 read,
//       1 write)  [79] poisoned (0)  [87:80] requester function (0 PF, 64 + n VF n)  [95:88] 0
//       [103:96] tag (reads; 0 for writes)  [119:104] 0  [120] requester ID enable (0)
//       [123:121] traffic class (0)  [126:124] attributes (0: no relaxed ordering)  [127] 0
//       tuser[59:0]: [3:0] first byte enables  [7:4] last byte enables (0 for one dword)
//       [11] discontinue (0)  [27:24] sequence number (0)  [59:28] parity (0)
//   RC  descriptor 12 B, data from bit 96
//       [11:0] lower address  [15:12] error code (0 good, 1 poisoned, 2 UR or CA status, 8 ended by
//       FLR, 9 timeout)  [28:16] byte count  [30] request completed  [42:32] dword count
//       [45:43] completion status (0 success, 1 UR, 4 CA)  [46] poisoned  [63:48] requester ID
//       [71:64] tag  [87:72] completer ID
//       tuser[74:0]: [31:0] byte enables  [32] start of frame  [37:34] end of frame
//       [42] discontinue  [74:43] parity (not looked at)
//
// Side-bands hold one bit for each function, bit 0 the PF, bit 1 + n VF n; they may change in any cycle and hold
// from the second cycle after, but that a function that may not send is heard at once. The 4-bit tready copies and the pairs of cfg_* and cfg_vf_* of the block are joined outside.

`resetall
`timescale 1ns / 1ps
`default_nettype none

module nvme_controller #(
    // Virtual functions beside the PF: 1 to 8
    parameter VIRTUAL_FUNCTIONS = 6,
    // I/O queue pairs of each function: 1 to 16
    parameter IO_QUEUES = 4,
    // Logical block size, log2 of bytes: 9 or 12
    parameter LBA_SHIFT = 12,
    // AWUN = AWUPF = ACWU in bytes: 4,096 to 16,384, whole pages
    parameter ATOMIC_UNIT_BYTES = 16384,
    // Outstanding host reads, all functions: 8 to 64
    parameter TAGS = 64,
    // Cycles after which a host read counts as failed: 1 to 2^30
    parameter READ_TIMEOUT_CYCLES = 6250000,
    // Width of an AXI address in bits: 20 to 64
    parameter AXI_ADDRESS_WIDTH = 40,
    // Width of an AXI ID in bits: 1 to 4; a staging buffer for each ID
    parameter AXI_ID_WIDTH = 3,
    // Functions, and widths of numbers: of a function, a queue of it, a context (derived)
    parameter FUNCTIONS = VIRTUAL_FUNCTIONS + 1,
    parameter FUNCTION_WIDTH = FUNCTIONS > 8 ? 4 : (FUNCTIONS > 4 ? 3 : (FUNCTIONS > 2 ? 2 : 1)),
    parameter QUEUE_WIDTH = IO_QUEUES > 15 ? 5 : (IO_QUEUES > 7 ? 4 : (IO_QUEUES > 3 ? 3 : (IO_QUEUES > 1 ? 2 : 1))),
    parameter CONTEXT_WIDTH = FUNCTION_WIDTH + 5
) (
    input wire clk,
    input wire rst,

    // Completer requests: register accesses of the hosts
    input  wire [255:0] m_axis_cq_tdata,
    input  wire [  7:0] m_axis_cq_tkeep,
    input  wire         m_axis_cq_tlast,
    input  wire [ 84:0] m_axis_cq_tuser,
    input  wire         m_axis_cq_tvalid,
    output wire         m_axis_cq_tready,
    output wire         pcie_cq_np_req,

    // Completer completions: register values
    output wire [255:0] s_axis_cc_tdata,
    output wire [  7:0] s_axis_cc_tkeep,
    output wire         s_axis_cc_tlast,
    output wire [ 32:0] s_axis_cc_tuser,
    output wire         s_axis_cc_tvalid,
    input  wire         s_axis_cc_tready,

    // Requester requests: data, CQEs, MSI-X messages, reads
    output wire [255:0] s_axis_rq_tdata,
    output wire [  7:0] s_axis_rq_tkeep,
    output wire         s_axis_rq_tlast,
    output wire [ 59:0] s_axis_rq_tuser,
    output wire         s_axis_rq_tvalid,
    input  wire         s_axis_rq_tready,
    // Non-posted credits: a read is sent while both are above 1
    input  wire [  1:0] pcie_tfc_nph_av,
    input  wire [  1:0] pcie_tfc_npd_av,

    // Requester completions: data of reads; always taken
    input  wire [255:0] m_axis_rc_tdata,
    input  wire [  7:0] m_axis_rc_tkeep,
    input  wire         m_axis_rc_tlast,
    input  wire [ 74:0] m_axis_rc_tuser,
    input  wire         m_axis_rc_tvalid,
    output wire         m_axis_rc_tready,

    // Link: 0 is 128 bytes, each step doubles; boundary 1 is 128 bytes, 0 is 64
    input wire [ 2:0] cfg_max_payload,
    input wire [ 2:0] cfg_max_read_req,
    input wire        cfg_rcb_status,
    // Receiver's space for completions: bytes of data, and headers
    input wire [16:0] completion_space_bytes,
    input wire [ 8:0] completion_space_headers,

    // Functions: there, may be bus master, MSI-X Message Control
    input  wire [FUNCTIONS-1:0] cfg_function_enable,
    input  wire [FUNCTIONS-1:0] cfg_bus_master_enable,
    input  wire [FUNCTIONS-1:0] cfg_msix_enable,
    input  wire [FUNCTIONS-1:0] cfg_msix_mask,
    // Function level reset: a level until the one-cycle answer
    input  wire [FUNCTIONS-1:0] cfg_flr_in_process,
    output wire [FUNCTIONS-1:0] cfg_flr_done,
    // Link down or hot reset: a level; AXI bursts under way still finish
    input  wire                 hot_reset,
    // Nothing will happen before something comes in: a simulation may skip time
    output wire                 idle,

    // Constant while rst is low: blocks of the namespace; serial number, first character in bits 7:0
    input wire [ 63:0] namespace_blocks,
    input wire [159:0] serial_number,

    // AXI4 to memory
    output wire [     AXI_ID_WIDTH-1:0] m_axi_arid,
    output wire [AXI_ADDRESS_WIDTH-1:0] m_axi_araddr,
    output wire [                  7:0] m_axi_arlen,
    output wire [                  2:0] m_axi_arsize,
    output wire [                  1:0] m_axi_arburst,
    output wire                         m_axi_arvalid,
    input  wire                         m_axi_arready,
    input  wire [     AXI_ID_WIDTH-1:0] m_axi_rid,
    input  wire [                255:0] m_axi_rdata,
    input  wire [                  1:0] m_axi_rresp,
    input  wire                         m_axi_rlast,
    input  wire                         m_axi_rvalid,
    output wire                         m_axi_rready,
    output wire [     AXI_ID_WIDTH-1:0] m_axi_awid,
    output wire [AXI_ADDRESS_WIDTH-1:0] m_axi_awaddr,
    output wire [                  7:0] m_axi_awlen,
    output wire [                  2:0] m_axi_awsize,
    output wire [                  1:0] m_axi_awburst,
    // The next burst belongs to the same unit, which should reach the memory whole
    output wire                         m_axi_awuser,
    output wire                         m_axi_awvalid,
    input  wire                         m_axi_awready,
    output wire [                255:0] m_axi_wdata,
    output wire [                 31:0] m_axi_wstrb,
    output wire                         m_axi_wlast,
    output wire                         m_axi_wvalid,
    input  wire                         m_axi_wready,
    input  wire [     AXI_ID_WIDTH-1:0] m_axi_bid,
    input  wire [                  1:0] m_axi_bresp,
    input  wire                         m_axi_bvalid,
    output wire                         m_axi_bready,

    // The range lock, for those who watch it: what is asked for (sectors of 512 bytes), granted and given up, by contexts;
    // the command identifier is that of a pair's Compare
    output wire                          lock_trace_request_valid,
    output wire [     CONTEXT_WIDTH-1:0] lock_trace_request_context,
    output wire [       QUEUE_WIDTH-1:0] lock_trace_request_queue,
    output wire [                  15:0] lock_trace_request_command,
    output wire [AXI_ADDRESS_WIDTH-10:0] lock_trace_request_first,
    output wire [AXI_ADDRESS_WIDTH-10:0] lock_trace_request_last,
    output wire                          lock_trace_request_exclusive,
    output wire                          lock_trace_grant_valid,
    output wire [     CONTEXT_WIDTH-1:0] lock_trace_grant_context,
    output wire                          lock_trace_release_valid,
    output wire [     CONTEXT_WIDTH-1:0] lock_trace_release_context,
    output wire                          lock_trace_release_write_valid,
    output wire [     CONTEXT_WIDTH-1:0] lock_trace_release_write_context
);

  // Widths of numbers: of a function, a queue of it (or vector), a row of either, a context
  localparam FW = FUNCTION_WIDTH;
  localparam QW = QUEUE_WIDTH;
  localparam ROW = FW + QW;
  localparam CTX = CONTEXT_WIDTH;
  localparam ROWS = 1 << ROW;
  // Bytes of a command, or a pair
  localparam COST = 19;
  // What a tag is for: {kind, owner (row or context), half and dword}
  localparam POSITION = 13;
  localparam OWNER = CTX > ROW ? CTX : ROW;
  localparam PURPOSE = 2 + OWNER + POSITION;

  `include "nvme_defs.vh"
  `include "command_kinds.vh"
  localparam [1:0] FOR_ENTRIES = 2'd1;
  localparam [1:0] FOR_DATA = 2'd2;
  localparam [1:0] FOR_LIST = 2'd3;

  // A check that fails names a module that there is not: every tool stops there, with this name and the instance.
  // ($error as a generate item is SystemVerilog, and in an initial block no elaboration looks at it.)
  generate
    if (VIRTUAL_FUNCTIONS < 1 || VIRTUAL_FUNCTIONS > 8) begin : gen_virtual_functions_check
      VIRTUAL_FUNCTIONS_must_be_1_to_8 check ();
    end
    if (FUNCTIONS != VIRTUAL_FUNCTIONS + 1) begin : gen_functions_check
      FUNCTIONS_is_derived_and_must_not_be_set check ();
    end
    if (IO_QUEUES < 1 || IO_QUEUES > 16) begin : gen_io_queues_check
      IO_QUEUES_must_be_1_to_16 check ();
    end
    if (LBA_SHIFT != 9 && LBA_SHIFT != 12) begin : gen_lba_shift_check
      LBA_SHIFT_must_be_9_or_12 check ();
    end
    if (ATOMIC_UNIT_BYTES < 4096 || ATOMIC_UNIT_BYTES > 16384 || ATOMIC_UNIT_BYTES % 4096 != 0) begin : gen_unit_check
      ATOMIC_UNIT_BYTES_must_be_4096_to_16384_whole_pages check ();
    end
    if (TAGS < 8 || TAGS > 64) begin : gen_tags_check
      TAGS_must_be_8_to_64 check ();
    end
    if (AXI_ADDRESS_WIDTH < 20 || AXI_ADDRESS_WIDTH > 64) begin : gen_address_width_check
      AXI_ADDRESS_WIDTH_must_be_20_to_64 check ();
    end
    if (AXI_ID_WIDTH < 1 || AXI_ID_WIDTH > 4) begin : gen_id_width_check
      AXI_ID_WIDTH_must_be_1_to_4 check ();
    end
  endgenerate

  // Registers of all functions
  wire write_valid;
  wire [FW-1:0] write_function, read_function;
  wire [13:2] write_address, read_address;
  wire [31:0] write_data, read_data, file_data, msix_data;
  wire [FUNCTIONS-1:0] answers, ready, runs, draining, resetting, quiet, functions_idle, tags_busy, rq_waits;
  wire registers_busy;

  // Side-bands, a cycle old: no path begins at their pins but the one that stops RQ at once.
  reg [2:0] max_payload_reg, max_read_request_reg;
  reg boundary_128_reg, hot;
  reg [16:0] space_bytes_reg;
  reg [ 8:0] space_headers_reg;
  reg [FUNCTIONS-1:0] function_enable_reg, bus_master_reg, msix_enable_reg, msix_mask_reg, flr_reg;
  reg [ 63:0] blocks_reg;
  reg [159:0] serial_number_reg;
  always @(posedge clk) begin
    max_payload_reg <= cfg_max_payload;
    max_read_request_reg <= cfg_max_read_req;
    boundary_128_reg <= cfg_rcb_status;
    space_bytes_reg <= completion_space_bytes;
    space_headers_reg <= completion_space_headers;
    function_enable_reg <= cfg_function_enable;
    bus_master_reg <= cfg_bus_master_enable;
    msix_enable_reg <= cfg_msix_enable;
    msix_mask_reg <= cfg_msix_mask;
    flr_reg <= cfg_flr_in_process;
    hot <= hot_reset;
    blocks_reg <= namespace_blocks;
    serial_number_reg <= serial_number;
  end
  wire [FUNCTIONS-1:0] gone = draining | {FUNCTIONS{hot}};

  assign pcie_cq_np_req   = 1'b1;
  assign s_axis_cc_tlast  = 1'b1;
  assign s_axis_cc_tuser  = 33'd0;
  assign m_axis_rc_tready = 1'b1;

  register_access #(
      .FUNCTIONS(FUNCTIONS),
      .FUNCTION_WIDTH(FW)
  ) access (
      .clk(clk),
      .rst(rst),
      .m_axis_cq_tdata(m_axis_cq_tdata),
      .m_axis_cq_tlast(m_axis_cq_tlast),
      .m_axis_cq_tvalid(m_axis_cq_tvalid),
      .m_axis_cq_enables(m_axis_cq_tuser[7:0]),
      .m_axis_cq_discontinue(m_axis_cq_tuser[41]),
      .m_axis_cq_tready(m_axis_cq_tready),
      .s_axis_cc_tdata(s_axis_cc_tdata),
      .s_axis_cc_tkeep(s_axis_cc_tkeep),
      .s_axis_cc_tvalid(s_axis_cc_tvalid),
      .s_axis_cc_tready(s_axis_cc_tready),
      .answers(answers),
      .write_valid(write_valid),
      .write_function(write_function),
      .write_address(write_address),
      .write_data(write_data),
      .read_function(read_function),
      .read_address(read_address),
      .read_data(read_data)
  );
  assign read_data = read_address[13] ? msix_data : file_data;

  wire enable_valid;
  wire [FW-1:0] enable_function;
  wire [63:0] enable_submission_address, enable_completion_address;
  wire [15:0] enable_submission_last, enable_completion_last;
  wire fatal_valid;
  wire [FW-1:0] fatal_function;
  assign quiet = functions_idle & ~tags_busy & ~rq_waits;

  register_file #(
      .FUNCTIONS(FUNCTIONS),
      .FUNCTION_WIDTH(FW)
  ) registers (
      .clk(clk),
      .rst(rst),
      .write_valid(write_valid && write_address[13:12] == 2'd0),
      .write_function(write_function),
      .write_address(write_address),
      .write_data(write_data),
      .read_function(read_function),
      .read_address(read_address),
      .read_data(file_data),
      .function_enable(function_enable_reg),
      .bus_master(bus_master_reg),
      .flr_in_process(flr_reg),
      .flr_done(cfg_flr_done),
      .hot_reset(hot),
      .answers(answers),
      .ready(ready),
      .runs(runs),
      .draining(draining),
      .busy(registers_busy),
      .resetting(resetting),
      .quiet(quiet),
      .idle(functions_idle),
      .fatal_valid(fatal_valid),
      .fatal_function(fatal_function),
      .enable_valid(enable_valid),
      .enable_function(enable_function),
      .enable_submission_address(enable_submission_address),
      .enable_completion_address(enable_completion_address),
      .enable_submission_last(enable_submission_last),
      .enable_completion_last(enable_completion_last)
  );

  // Doorbells
  wire [8:0] doorbell_queue = write_address[11:3];
  wire rung = write_valid && write_address[13:12] == 2'd1 && ready[write_function] && !draining[write_function];
  wire doorbell = rung && {23'd0, doorbell_queue} <= IO_QUEUES;
  wire tail_wrong_queue, tail_wrong_value, head_wrong_queue, head_wrong_value;
  wire [ROW-1:0] doorbell_row = {write_function, doorbell_queue[QW-1:0]};

  // Queues
  wire create_submission, create_completion, create_interrupts, drop_submission, remove_submission, remove_completion;
  wire [ROW-1:0] create_row, delete_row, pop_row, reserve_row, fetch_row, submission_row, completion_row;
  wire [63:0] create_address, fetch_address, completion_address;
  wire [15:0] create_last, submission_head;
  wire [QW-1:0] create_completion_queue, pop_completion_queue, submission_completion_queue;
  wire [4:0] create_vector, fetch_count, completion_vector;
  wire [ROW-1:0] search_row;
  wire [15:0] search_there;
  wire delete_empty, fetch_valid, fetch_ready, pop_valid, pop_two, completion_phase, completion_interrupts;
  wire completion_two_slots;
  wire [3:0] fetch_slot, pop_slot;
  wire [ROWS-1:0] head_there, head_ready, head_pair, head_orphan, submission_live, completion_live, room_one, room_two;
  wire [ROWS*QW-1:0] completion_queues;
  wire [FW-1:0] cost_function;
  wire [(IO_QUEUES+1)*COST-1:0] costs;
  wire fetch_wanted, dispatch_busy;
  // Completion queues whose next slot is for the second half of a pair
  wire [ROWS-1:0] half_waits;
  wire post_valid, post_claims, release_valid, free_valid;
  wire [CTX-1:0] free_context;

  // Data of host reads
  wire rc_valid;
  wire [1:0] rc_kind, rc_end_kind;
  wire [OWNER-1:0] rc_owner, rc_end_owner;
  wire [POSITION-1:3] rc_word;
  wire rc_half;
  wire [255:0] rc_data;
  wire [7:0] rc_lanes;
  wire [2:0] rc_split;
  wire rc_end_valid, rc_end_failed;
  wire rc_end_half;
  wire entries_valid = rc_valid && rc_kind == FOR_ENTRIES;
  wire [4:0] rc_next = rc_word[7:3] + 5'd1;
  wire [4:0] rc_lane_0_word = rc_split == 3'd0 ? rc_word[7:3] : rc_next;
  wire [4:0] rc_lane_4_word = rc_split <= 3'd4 ? rc_word[7:3] : rc_next;
  wire fuse_valid = entries_valid && rc_lanes[0] && !rc_lane_0_word[0];
  wire entries_end = rc_end_valid && rc_end_kind == FOR_ENTRIES;
  assign fatal_function = rc_end_owner[ROW-1:QW];
  assign fatal_valid = entries_end && rc_end_failed && !draining[fatal_function];

  // Largest read: MRRS, but no more than the receiver's space for completions takes
  wire [ 8:0] most_headers = space_headers_reg > 9'd1 ? space_headers_reg - 9'd1 : 9'd1;
  wire [15:0] header_bytes = boundary_128_reg ? {most_headers, 7'd0} : {1'b0, most_headers, 6'd0};
  wire [16:0] space = {1'b0, header_bytes} < space_bytes_reg ? {1'b0, header_bytes} : space_bytes_reg;
  wire [12:0] request_bytes = 13'd128 << max_read_request_reg;
  wire [16:0] limited = {4'd0, request_bytes} < space ? {4'd0, request_bytes} : space;
  reg  [16:0] most_bytes;
  reg  [ 4:0] fetch_most;
  always @(posedge clk) begin
    most_bytes <= limited < 17'd128 ? 17'd128 : {limited[16:6], 6'd0};
    fetch_most <= limited < 17'd128 ? 5'd2 : limited >= 17'd1024 ? 5'd16 : limited[10:6];
  end

  sq_table #(
      .FUNCTIONS(FUNCTIONS),
      .FUNCTION_WIDTH(FW),
      .QUEUES(IO_QUEUES + 1),
      .QUEUE_WIDTH(QW),
      .LBA_SHIFT(LBA_SHIFT),
      .COST_WIDTH(COST)
  ) submission (
      .clk(clk),
      .rst(rst),
      .runs(runs),
      .clear(gone),
      .tail_valid(doorbell && !write_address[2]),
      .tail_row(doorbell_row),
      .tail_value(write_data),
      .tail_wrong_queue(tail_wrong_queue),
      .tail_wrong_value(tail_wrong_value),
      .create_valid(create_submission || enable_valid),
      .create_row(enable_valid ? {enable_function, {QW{1'b0}}} : create_row),
      .create_address(enable_valid ? enable_submission_address : create_address),
      .create_last(enable_valid ? enable_submission_last : create_last),
      .create_completion_queue(enable_valid ? {QW{1'b0}} : create_completion_queue),
      .drop_valid(drop_submission),
      .remove_valid(remove_submission),
      .delete_row(delete_row),
      .delete_empty(delete_empty),
      .fetch_valid(fetch_valid),
      .fetch_ready(fetch_ready),
      .fetch_row(fetch_row),
      .fetch_slot(fetch_slot),
      .fetch_address(fetch_address),
      .fetch_count(fetch_count),
      .fetch_most(fetch_most),
      .wanted(fetch_wanted),
      .here_valid(entries_valid && rc_lanes[7] && rc_word[3]),
      .here_row(rc_owner[ROW-1:0]),
      .here_slot(rc_word[7:4]),
      .fuse_valid(fuse_valid),
      .fuse_slot(rc_lane_0_word[4:1]),
      .fuse_value(rc_data[9:8]),
      .fuse_moves(rc_data[7:0] == NVM_READ || rc_data[7:0] == NVM_WRITE || rc_data[7:0] == NVM_COMPARE),
      .blocks_valid(entries_valid && rc_lanes[4] && rc_lane_4_word[0]),
      .blocks_slot(rc_lane_4_word[4:1]),
      .blocks_value(rc_data[143:128]),
      .end_valid(entries_end),
      .end_row(rc_end_owner[ROW-1:0]),
      .head_there(head_there),
      .head_ready(head_ready),
      .head_pair(head_pair),
      .head_orphan(head_orphan),
      .live(submission_live),
      .cost_function(cost_function),
      .costs(costs),
      .pop_valid(pop_valid),
      .pop_two(pop_two),
      .pop_row(pop_row),
      .pop_slot(pop_slot),
      .done_valid(free_valid),
      .done_row(submission_row),
      .pop_completion_queue(pop_completion_queue),
      .look_row(submission_row),
      .look_head(submission_head),
      .look_completion_queue(submission_completion_queue),
      .search_row(search_row),
      .search_there(search_there),
      .completion_queues(completion_queues)
  );

  cq_table #(
      .FUNCTIONS(FUNCTIONS),
      .FUNCTION_WIDTH(FW),
      .QUEUE_WIDTH(QW)
  ) completion (
      .clk(clk),
      .rst(rst),
      .clear(gone),
      .head_valid(doorbell && write_address[2]),
      .head_row(doorbell_row),
      .head_value(write_data),
      .head_wrong_queue(head_wrong_queue),
      .head_wrong_value(head_wrong_value),
      .create_valid(create_completion || enable_valid),
      .create_row(enable_valid ? {enable_function, {QW{1'b0}}} : create_row),
      .create_address(enable_valid ? enable_completion_address : create_address),
      .create_last(enable_valid ? enable_completion_last : create_last),
      .create_interrupts(enable_valid || create_interrupts),
      .create_vector(enable_valid ? 5'd0 : create_vector),
      .remove_valid(remove_completion),
      .remove_row(delete_row),
      .live(completion_live),
      .room_one(room_one),
      .room_two(room_two),
      .reserve_valid(pop_valid),
      .reserve_two(pop_two),
      .reserve_row(reserve_row),
      .release_valid(release_valid),
      .release_row(completion_row),
      .post_row(completion_row),
      .post_valid(post_valid),
      .post_claims(post_claims),
      .post_address(completion_address),
      .post_phase(completion_phase),
      .post_two_slots(completion_two_slots),
      .post_interrupts(completion_interrupts),
      .post_vector(completion_vector)
  );

  // Dispatch and decode
  wire [ROW+3:0] entry_place;
  wire [  511:0] entry;
  wire start_valid, start_pair, start_orphan;
  wire [ROW-1:0] start_row;
  wire [CTX-1:0] start_context;

  sqe_memory #(
      .ROW_WIDTH(ROW)
  ) entries (
      .clk(clk),
      .write_valid(entries_valid),
      .write_word({rc_owner[ROW-1:0], rc_word[7:3]}),
      .write_data(rc_data),
      .write_lanes(rc_lanes),
      .write_split(rc_split),
      .read_place(entry_place),
      .read_entry(entry)
  );

  dispatcher #(
      .FUNCTIONS(FUNCTIONS),
      .FUNCTION_WIDTH(FW),
      .QUEUES(IO_QUEUES + 1),
      .QUEUE_WIDTH(QW),
      .COST_WIDTH(COST)
  ) dispatch (
      .clk(clk),
      .rst(rst),
      .runs(runs),
      .head_there(head_there),
      .head_ready(head_ready),
      .head_pair(head_pair),
      .head_orphan(head_orphan),
      .completion_queues(completion_queues),
      .room_one(room_one & ~half_waits),
      .room_two(room_two & ~half_waits),
      .cost_function(cost_function),
      .costs(costs),
      .pop_valid(pop_valid),
      .pop_two(pop_two),
      .pop_row(pop_row),
      .pop_slot(pop_slot),
      .pop_completion_queue(pop_completion_queue),
      .reserve_row(reserve_row),
      .entry_place(entry_place),
      .start_valid(start_valid),
      .start_pair(start_pair),
      .start_orphan(start_orphan),
      .start_row(start_row),
      .start_context(start_context),
      .free_valid(free_valid),
      .free_context(free_context),
      .idle(functions_idle),
      .busy(dispatch_busy)
  );

  wire decoded_valid, decoded_admin, decoded_two;
  wire [CTX-1:0] decoded_context;
  wire [ROW-1:0] decoded_row;
  wire [2:0] decoded_kind;
  wire [15:0] decoded_id, decoded_second_id;
  wire [10:0] decoded_status, decoded_second_status;
  wire [AXI_ADDRESS_WIDTH-1:0] decoded_address;
  wire [17:0] decoded_length;
  wire [127:0] decoded_prps, decoded_second_prps;
  wire [511:0] decoded_entry, decoded_second_entry;
  wire [10:0] decoded_rejection;
  wire [ 7:0] decoded_byte;
  wire [1:0] decoded_aborted, pop_aborted;

  command_decoder #(
      .CONTEXT_WIDTH(CTX),
      .ROW_WIDTH(ROW),
      .LBA_SHIFT(LBA_SHIFT),
      .ATOMIC_UNIT_BYTES(ATOMIC_UNIT_BYTES),
      .ADDRESS_WIDTH(AXI_ADDRESS_WIDTH)
  ) decoder (
      .clk(clk),
      .rst(rst),
      .namespace_blocks(blocks_reg),
      .start_valid(start_valid),
      .start_pair(start_pair),
      .start_orphan(start_orphan),
      .start_aborted(pop_aborted),
      .start_row(start_row),
      .start_context(start_context),
      .entry(entry),
      .decoded_valid(decoded_valid),
      .decoded_admin(decoded_admin),
      .decoded_context(decoded_context),
      .decoded_row(decoded_row),
      .decoded_kind(decoded_kind),
      .decoded_two(decoded_two),
      .decoded_aborted(decoded_aborted),
      .decoded_id(decoded_id),
      .decoded_second_id(decoded_second_id),
      .decoded_status(decoded_status),
      .decoded_second_status(decoded_second_status),
      .decoded_address(decoded_address),
      .decoded_length(decoded_length),
      .decoded_prps(decoded_prps),
      .decoded_second_prps(decoded_second_prps),
      .decoded_entry(decoded_entry),
      .decoded_second_entry(decoded_second_entry),
      .decoded_rejection(decoded_rejection),
      .decoded_byte(decoded_byte)
  );

  // The data path
  wire [CTX-1:0] end_context, ended_context, sent_context, page_context, admin_burst_context, data_read_context;
  wire [CTX-1:0] lock_wait_context, abort_context;
  wire abort_valid, abort_ready, abort_second, abort_taken;
  wire [1:0] end_aborted;
  wire [ROW-1:0] end_row;
  wire end_two, ended_valid, ended_ready, data_read, data_read_ready, data_read_half, sent_valid, sent_last;
  wire [15:0] end_id, end_second_id;
  wire [10:0] ended_status, ended_second_status;
  wire [11:0] data_read_dword;
  wire list_read, list_read_ready;
  wire [CTX-1:0] list_read_context;
  wire [63:0] list_read_address;
  wire [12:0] list_read_bytes;
  wire [5:0] list_read_dword;
  wire [FW-1:0] data_function;
  wire [63:0] data_read_address, admin_burst_address;
  wire [12:0] data_read_bytes, admin_burst_length;
  wire [11:0] admin_burst_offset;
  wire admin_burst, admin_burst_ready, admin_burst_last, unsent_valid, page_enable, lock_wait_valid;
  wire [7:0] page_word, data_keep;
  wire [511:0] page_data;
  wire [PURPOSE-1:0] unsent_purpose;
  wire data_valid, data_ready, data_first, data_last, data_one_dword;
  wire [255:0] data_beat;
  wire lock_request_valid, lock_request_exclusive, lock_grant_valid, lock_release_valid, lock_release_write_valid;
  wire [CTX-1:0] lock_request_context, lock_grant_context, lock_release_context, lock_release_write_context;
  wire [QW-1:0] lock_request_queue;
  wire [  15:0] lock_request_command;
  wire [AXI_ADDRESS_WIDTH-10:0] lock_request_first, lock_request_last;

  data_path #(
      .FUNCTIONS(FUNCTIONS),
      .FUNCTION_WIDTH(FW),
      .QUEUES(IO_QUEUES + 1),
      .QUEUE_WIDTH(QW),
      .ATOMIC_UNIT_BYTES(ATOMIC_UNIT_BYTES),
      .ADDRESS_WIDTH(AXI_ADDRESS_WIDTH),
      .ID_WIDTH(AXI_ID_WIDTH)
  ) data (
      .clk(clk),
      .rst(rst),
      .gone(gone),
      .forget(hot),
      .max_payload(max_payload_reg),
      .most_bytes(most_bytes),
      .decoded_valid(decoded_valid),
      .decoded_admin(decoded_admin),
      .decoded_context(decoded_context),
      .decoded_row(decoded_row),
      .decoded_kind(decoded_kind),
      .decoded_two(decoded_two),
      .decoded_id(decoded_id),
      .decoded_second_id(decoded_second_id),
      .decoded_status(decoded_status),
      .decoded_second_status(decoded_second_status),
      .decoded_address(decoded_address),
      .decoded_length(decoded_length),
      .decoded_prps(decoded_prps),
      .decoded_second_prps(decoded_second_prps),
      .end_context(end_context),
      .end_row(end_row),
      .end_two(end_two),
      .end_id(end_id),
      .end_second_id(end_second_id),
      .ended_valid(ended_valid),
      .ended_ready(ended_ready),
      .ended_context(ended_context),
      .ended_status(ended_status),
      .ended_second_status(ended_second_status),
      .list_read(list_read),
      .list_read_ready(list_read_ready),
      .list_read_context(list_read_context),
      .list_read_address(list_read_address),
      .list_read_bytes(list_read_bytes),
      .list_read_dword(list_read_dword),
      .data_read(data_read),
      .data_read_ready(data_read_ready),
      .data_read_context(data_read_context),
      .data_read_address(data_read_address),
      .data_read_bytes(data_read_bytes),
      .data_read_half(data_read_half),
      .data_read_dword(data_read_dword),
      .list_valid(rc_valid && rc_kind == FOR_LIST),
      .host_valid(rc_valid && rc_kind == FOR_DATA),
      .host_context(rc_owner[CTX-1:0]),
      .host_half(rc_half),
      .host_word(rc_word[11:3]),
      .host_data(rc_data),
      .host_lanes(rc_lanes),
      .host_split(rc_split),
      .list_end_valid(rc_end_valid && rc_end_kind == FOR_LIST),
      .host_end_valid(rc_end_valid && rc_end_kind == FOR_DATA),
      .host_end_context(rc_end_owner[CTX-1:0]),
      .host_end_half(rc_end_half),
      .host_end_failed(rc_end_failed),
      .list_unsent_valid(unsent_valid && unsent_purpose[PURPOSE-1-:2] == FOR_LIST),
      .unsent_valid(unsent_valid && unsent_purpose[PURPOSE-1-:2] == FOR_DATA),
      .unsent_context(unsent_purpose[POSITION+:CTX]),
      .unsent_half(unsent_purpose[POSITION-1]),
      .admin_burst(admin_burst),
      .admin_burst_ready(admin_burst_ready),
      .admin_burst_context(admin_burst_context),
      .admin_burst_address(admin_burst_address),
      .admin_burst_length(admin_burst_length),
      .admin_burst_offset(admin_burst_offset),
      .admin_burst_last(admin_burst_last),
      .page_enable(page_enable),
      .page_context(page_context),
      .page_word(page_word),
      .page_data(page_data),
      .abort_valid(abort_valid),
      .abort_ready(abort_ready),
      .abort_context(abort_context),
      .abort_second(abort_second),
      .abort_taken(abort_taken),
      .lock_wait_valid(lock_wait_valid),
      .lock_wait_context(lock_wait_context),
      .data_valid(data_valid),
      .data_ready(data_ready),
      .data_function(data_function),
      .data_beat(data_beat),
      .data_keep(data_keep),
      .data_first(data_first),
      .data_last(data_last),
      .data_one_dword(data_one_dword),
      .sent_valid(sent_valid),
      .sent_last(sent_last),
      .sent_context(sent_context),
      .m_axi_arid(m_axi_arid),
      .m_axi_araddr(m_axi_araddr),
      .m_axi_arlen(m_axi_arlen),
      .m_axi_arvalid(m_axi_arvalid),
      .m_axi_arready(m_axi_arready),
      .m_axi_rid(m_axi_rid),
      .m_axi_rdata(m_axi_rdata),
      .m_axi_rresp(m_axi_rresp),
      .m_axi_rvalid(m_axi_rvalid),
      .m_axi_awaddr(m_axi_awaddr),
      .m_axi_awlen(m_axi_awlen),
      .m_axi_awuser(m_axi_awuser),
      .m_axi_awvalid(m_axi_awvalid),
      .m_axi_awready(m_axi_awready),
      .m_axi_wdata(m_axi_wdata),
      .m_axi_wlast(m_axi_wlast),
      .m_axi_wvalid(m_axi_wvalid),
      .m_axi_wready(m_axi_wready),
      .m_axi_bvalid(m_axi_bvalid),
      .m_axi_bresp(m_axi_bresp),
      .lock_request_valid(lock_request_valid),
      .lock_request_context(lock_request_context),
      .lock_request_queue(lock_request_queue),
      .lock_request_command(lock_request_command),
      .lock_request_first(lock_request_first),
      .lock_request_last(lock_request_last),
      .lock_request_exclusive(lock_request_exclusive),
      .lock_grant_valid(lock_grant_valid),
      .lock_grant_context(lock_grant_context),
      .lock_release_valid(lock_release_valid),
      .lock_release_context(lock_release_context),
      .lock_release_write_valid(lock_release_write_valid),
      .lock_release_write_context(lock_release_write_context)
  );

  lock_trace #(
      .CONTEXT_WIDTH(CTX),
      .QUEUE_WIDTH  (QW),
      .SECTOR_WIDTH (AXI_ADDRESS_WIDTH - 9)
  ) trace (
      .clk(clk),
      .rst(rst),
      .request_valid(lock_request_valid),
      .request_context(lock_request_context),
      .request_queue(lock_request_queue),
      .request_command(lock_request_command),
      .request_first(lock_request_first),
      .request_last(lock_request_last),
      .request_exclusive(lock_request_exclusive),
      .grant_valid(lock_grant_valid),
      .grant_context(lock_grant_context),
      .release_valid(lock_release_valid),
      .release_context(lock_release_context),
      .release_write_valid(lock_release_write_valid),
      .release_write_context(lock_release_write_context),
      .lock_trace_request_valid(lock_trace_request_valid),
      .lock_trace_request_context(lock_trace_request_context),
      .lock_trace_request_queue(lock_trace_request_queue),
      .lock_trace_request_command(lock_trace_request_command),
      .lock_trace_request_first(lock_trace_request_first),
      .lock_trace_request_last(lock_trace_request_last),
      .lock_trace_request_exclusive(lock_trace_request_exclusive),
      .lock_trace_grant_valid(lock_trace_grant_valid),
      .lock_trace_grant_context(lock_trace_grant_context),
      .lock_trace_release_valid(lock_trace_release_valid),
      .lock_trace_release_context(lock_trace_release_context),
      .lock_trace_release_write_valid(lock_trace_release_write_valid),
      .lock_trace_release_write_context(lock_trace_release_write_context)
  );
  assign m_axi_arsize  = 3'd5;
  assign m_axi_arburst = 2'd1;
  assign m_axi_rready  = 1'b1;
  assign m_axi_awid    = {AXI_ID_WIDTH{1'b0}};
  assign m_axi_awsize  = 3'd5;
  assign m_axi_awburst = 2'd1;
  assign m_axi_wstrb   = 32'hffff_ffff;
  assign m_axi_bready  = 1'b1;

  // Admin commands, events, logs
  wire event_valid, event_ready, admin_end, admin_end_ready, admin_silent;
  wire [ROW-1:0] event_row;
  wire [15:0] event_id;
  wire [10:0] event_status;
  wire [31:0] event_dword0;
  wire [16*FUNCTIONS-1:0] coalescing;
  wire [32*FUNCTIONS-1:0] uncoalesced;
  wire [CTX-1:0] admin_end_context;
  wire [10:0] admin_status;
  wire [31:0] admin_dword0;
  wire note_valid, note_second;
  wire [15:0] note_id;
  wire [10:0] note_status, note_second_status;
  reg [FUNCTIONS-1:0] admin_room_one;
  integer f;
  always @* for (f = 0; f < FUNCTIONS; f = f + 1) admin_room_one[f] = room_one[f<<QW] && !pop_valid;
  admin_path #(
      .FUNCTIONS(FUNCTIONS),
      .FUNCTION_WIDTH(FW),
      .IO_QUEUES(IO_QUEUES),
      .QUEUE_WIDTH(QW),
      .LBA_SHIFT(LBA_SHIFT),
      .ATOMIC_UNIT_BYTES(ATOMIC_UNIT_BYTES)
  ) admin (
      .clk(clk),
      .rst(rst),
      .gone(gone),
      .namespace_blocks(blocks_reg),
      .serial_number(serial_number_reg),
      .decoded_valid(decoded_valid),
      .decoded_admin(decoded_admin),
      .decoded_context(decoded_context),
      .decoded_kind(decoded_kind),
      .decoded_length(decoded_length),
      .decoded_entry(decoded_entry),
      .decoded_second_entry(decoded_second_entry),
      .decoded_rejection(decoded_rejection),
      .decoded_byte(decoded_byte),
      .decoded_row(decoded_row),
      .decoded_two(decoded_two),
      .decoded_id(decoded_id),
      .decoded_second_id(decoded_second_id),
      .decoded_aborted(decoded_aborted),
      .come_valid(fuse_valid),
      .come_row(rc_owner[ROW-1:0]),
      .come_slot(rc_lane_0_word[4:1]),
      .come_id(rc_data[31:16]),
      .pop_valid(pop_valid),
      .pop_two(pop_two),
      .pop_row(pop_row),
      .pop_slot(pop_slot),
      .pop_aborted(pop_aborted),
      .search_row(search_row),
      .search_there(search_there),
      .search_room(room_one[{search_row[ROW-1:QW], completion_queues[search_row*QW+:QW]}]),
      .free_valid(free_valid),
      .free_context(free_context),
      .look_context(end_context),
      .look_aborted(end_aborted),
      .abort_valid(abort_valid),
      .abort_ready(abort_ready),
      .abort_context(abort_context),
      .abort_second(abort_second),
      .abort_taken(abort_taken),
      .submission_live(submission_live),
      .completion_live(completion_live),
      .completion_queues(completion_queues),
      .queues_busy(enable_valid),
      .create_submission_valid(create_submission),
      .create_completion_valid(create_completion),
      .create_row(create_row),
      .create_address(create_address),
      .create_last(create_last),
      .create_completion_queue(create_completion_queue),
      .create_interrupts(create_interrupts),
      .create_vector(create_vector),
      .drop_submission_valid(drop_submission),
      .remove_submission_valid(remove_submission),
      .remove_completion_valid(remove_completion),
      .delete_row(delete_row),
      .delete_empty(delete_empty),
      .burst_valid(admin_burst),
      .burst_ready(admin_burst_ready),
      .burst_context(admin_burst_context),
      .burst_address(admin_burst_address),
      .burst_length(admin_burst_length),
      .burst_offset(admin_burst_offset),
      .burst_last(admin_burst_last),
      .page_enable(page_enable),
      .page_context(page_context),
      .page_word(page_word),
      .page_data(page_data),
      .end_valid(admin_end),
      .end_ready(admin_end_ready),
      .end_context(admin_end_context),
      .end_status(admin_status),
      .end_dword0(admin_dword0),
      .end_silent(admin_silent),
      .note_valid(note_valid),
      .note_context(end_context),
      .note_queue(submission_row[QW-1:0]),
      .note_id(note_id),
      .note_second(note_second),
      .note_status(note_status),
      .note_second_status(note_second_status),
      .lock_wait_valid(lock_wait_valid),
      .lock_wait_context(lock_wait_context),
      .wrong_register((rung && !doorbell) || tail_wrong_queue || head_wrong_queue),
      .wrong_value(tail_wrong_value || head_wrong_value),
      .wrong_function(write_function),
      .room(admin_room_one),
      .event_valid(event_valid),
      .event_ready(event_ready),
      .event_row(event_row),
      .event_id(event_id),
      .event_status(event_status),
      .event_dword0(event_dword0),
      .coalescing(coalescing),
      .uncoalesced(uncoalesced)
  );

  // Completions and interrupts
  wire raise_valid, raise_two, raise_io, raise_tells, raise_sends, due_valid, coalescer_busy, pending_valid, pending_taken;
  wire [FW-1:0] raise_function;
  wire [4:0] raise_vector;
  wire [63:0] raise_address, pending_address;
  wire [31:0] raise_data, pending_data;
  wire [ROW-1:0] due_row, pending_row;
  wire park_valid, parked_valid, parked_taken;
  wire [10:0] park_status, parked_status;
  wire [CTX-1:0] parked_context;
  wire ce_valid, ce_ready;
  wire [FW-1:0] ce_function;
  wire [  63:0] ce_address;
  wire [  10:0] ce_dwords;
  wire [ 127:0] ce_data;

  completion_engine #(
      .FUNCTIONS(FUNCTIONS),
      .FUNCTION_WIDTH(FW),
      .QUEUE_WIDTH(QW)
  ) completer (
      .clk(clk),
      .rst(rst),
      .silent(gone),
      .sent_valid(sent_valid && sent_last),
      .sent_context(sent_context),
      .ended_valid(ended_valid),
      .ended_ready(ended_ready),
      .ended_context(ended_context),
      .ended_status(ended_status),
      .ended_second_status(ended_second_status),
      .admin_valid(admin_end),
      .admin_ready(admin_end_ready),
      .admin_context(admin_end_context),
      .admin_status(admin_status),
      .admin_dword0(admin_dword0),
      .admin_silent(admin_silent),
      .event_valid(event_valid),
      .event_ready(event_ready),
      .event_row(event_row),
      .event_id(event_id),
      .event_status(event_status),
      .event_dword0(event_dword0),
      .park_valid(park_valid),
      .park_status(park_status),
      .parked_valid(parked_valid),
      .parked_taken(parked_taken),
      .parked_context(parked_context),
      .parked_status(parked_status),
      .look_context(end_context),
      .look_row(end_row),
      .look_two(end_two),
      .look_id(end_id),
      .look_second_id(end_second_id),
      .look_aborted(end_aborted),
      .submission_row(submission_row),
      .submission_head(submission_head),
      .completion_queue(submission_completion_queue),
      .completion_row(completion_row),
      .completion_address(completion_address),
      .completion_phase(completion_phase),
      .completion_two_slots(completion_two_slots),
      .completion_interrupts(completion_interrupts),
      .completion_vector(completion_vector),
      .post_valid(post_valid),
      .post_claims(post_claims),
      .release_valid(release_valid),
      .note_valid(note_valid),
      .note_second(note_second),
      .note_id(note_id),
      .note_status(note_status),
      .note_second_status(note_second_status),
      .free_valid(free_valid),
      .free_context(free_context),
      .raise_valid(raise_valid),
      .raise_function(raise_function),
      .raise_vector(raise_vector),
      .raise_two(raise_two),
      .raise_io(raise_io),
      .raise_sends(raise_sends),
      .raise_address(raise_address),
      .raise_data(raise_data),
      .pending_valid(pending_valid),
      .pending_taken(pending_taken),
      .pending_function(pending_row[ROW-1:QW]),
      .pending_address(pending_address),
      .pending_data(pending_data),
      .small_valid(ce_valid),
      .small_ready(ce_ready),
      .small_function(ce_function),
      .small_address(ce_address),
      .small_dwords(ce_dwords),
      .small_data(ce_data)
  );

  parked_halves #(
      .FUNCTIONS(FUNCTIONS),
      .FUNCTION_WIDTH(FW),
      .QUEUE_WIDTH(QW)
  ) halves (
      .clk(clk),
      .rst(rst),
      .silent(gone),
      .room(room_one),
      .park_valid(park_valid),
      .park_row(completion_row),
      .park_context(end_context),
      .park_status(park_status),
      .waits(half_waits),
      .ready_valid(parked_valid),
      .ready_taken(parked_taken),
      .ready_context(parked_context),
      .ready_status(parked_status)
  );

  interrupt_coalescing #(
      .FUNCTIONS(FUNCTIONS),
      .FUNCTION_WIDTH(FW),
      .VECTOR_WIDTH(QW)
  ) coalescer (
      .clk(clk),
      .rst(rst),
      .clear(gone),
      .enable(msix_enable_reg),
      .settings(coalescing),
      .left_out(uncoalesced),
      .completed_valid(raise_valid),
      .completed_row({raise_function, raise_vector[QW-1:0]}),
      .completed_two(raise_two),
      .completed_io(raise_io),
      .completed_tells(raise_tells),
      .due_valid(due_valid),
      .due_row(due_row),
      .busy(coalescer_busy)
  );

  msix_table #(
      .FUNCTIONS(FUNCTIONS),
      .FUNCTION_WIDTH(FW),
      .VECTORS(IO_QUEUES + 1),
      .VECTOR_WIDTH(QW)
  ) msix (
      .clk(clk),
      .rst(rst),
      .enable(msix_enable_reg),
      .mask(msix_mask_reg | gone),
      .clear_pending(gone),
      .clear_table(resetting | {FUNCTIONS{hot}} | ~function_enable_reg),
      .write_valid(write_valid && write_address[13:12] == 2'd2),
      .write_function(write_function),
      .write_address(write_address[11:2]),
      .write_data(write_data),
      .read_function(read_function),
      .read_address(read_address[11:2]),
      .read_pending(read_address[12]),
      .read_data(msix_data),
      .raise_valid(raise_tells),
      .raise_row({raise_function, raise_vector[QW-1:0]}),
      .raise_sends(raise_sends),
      .raise_address(raise_address),
      .raise_data(raise_data),
      .due_valid(due_valid),
      .due_row(due_row),
      .pending_valid(pending_valid),
      .pending_taken(pending_taken),
      .pending_row(pending_row),
      .pending_address(pending_address),
      .pending_data(pending_data)
  );

  // Host reads: SQE fetches first, then PRP lists, then data
  wire take_ready, late_valid, late_ready, quarantine_valid;
  wire [5:0] take_tag, look_tag, unsent_tag, late_tag, quarantine_tag;
  wire [PURPOSE-1:0] late_purpose;
  wire look_used, come_valid, come_last;
  wire [PURPOSE-1:0] look_purpose;
  wire [10:0] look_remaining, look_received, come_dwords;
  wire any_read = fetch_valid || list_read || data_read;
  wire read_push = any_read && take_ready;
  assign fetch_ready = read_push;
  assign list_read_ready = read_push && !fetch_valid;
  assign data_read_ready = read_push && !fetch_valid && !list_read;
  wire [PURPOSE-1:0] entries_purpose = {
    FOR_ENTRIES, {(OWNER - ROW) {1'b0}}, fetch_row, {(POSITION - 8) {1'b0}}, fetch_slot, 4'd0
  };
  wire [PURPOSE-1:0] list_purpose = {
    FOR_LIST, {(OWNER - CTX) {1'b0}}, list_read_context, {(POSITION - 6) {1'b0}}, list_read_dword
  };
  wire [PURPOSE-1:0] data_purpose = {
    FOR_DATA, {(OWNER - CTX) {1'b0}}, data_read_context, data_read_half, data_read_dword
  };
  reg [FW-1:0] push_function;
  reg [63:0] push_address;
  reg [12:0] push_bytes;
  reg [PURPOSE-1:0] push_purpose;
  always @* begin
    push_function = data_read_context[CTX-1:5];
    push_address = data_read_address;
    push_bytes = data_read_bytes;
    push_purpose = data_purpose;
    if (fetch_valid) begin
      push_function = fetch_row[ROW-1:QW];
      push_address = fetch_address;
      push_bytes = {2'd0, fetch_count, 6'd0};
      push_purpose = entries_purpose;
    end else if (list_read) begin
      push_function = list_read_context[CTX-1:5];
      push_address = list_read_address;
      push_bytes = list_read_bytes;
      push_purpose = list_purpose;
    end
  end

  tag_table #(
      .TAGS(TAGS),
      .FUNCTIONS(FUNCTIONS),
      .FUNCTION_WIDTH(FW),
      .PURPOSE_WIDTH(PURPOSE),
      .READ_TIMEOUT_CYCLES(READ_TIMEOUT_CYCLES)
  ) tags (
      .clk(clk),
      .rst(rst),
      .space_bytes(space_bytes_reg),
      .space_headers(space_headers_reg),
      .boundary_128(boundary_128_reg),
      .take_valid(any_read),
      .take_ready(take_ready),
      .take_function(push_function),
      .take_address(push_address[11:0]),
      .take_bytes(push_bytes),
      .take_purpose(push_purpose),
      .take_tag(take_tag),
      .look_tag(look_tag),
      .look_used(look_used),
      .look_purpose(look_purpose),
      .look_remaining_dwords(look_remaining),
      .look_received_dwords(look_received),
      .come_valid(come_valid),
      .come_dwords(come_dwords),
      .come_last(come_last),
      .quarantine_valid(quarantine_valid),
      .quarantine_tag(quarantine_tag),
      .unsent_valid(unsent_valid),
      .unsent_tag(unsent_tag),
      .unsent_purpose(unsent_purpose),
      .late_valid(late_valid),
      .late_ready(late_ready),
      .late_tag(late_tag),
      .late_purpose(late_purpose),
      .forget(hot),
      .busy(tags_busy)
  );

  rc_router #(
      .OWNER_WIDTH(OWNER),
      .POSITION_WIDTH(POSITION)
  ) router (
      .clk(clk),
      .rst(rst || hot),
      .m_axis_rc_tdata(m_axis_rc_tdata),
      .m_axis_rc_tkeep(m_axis_rc_tkeep),
      .m_axis_rc_tlast(m_axis_rc_tlast),
      .m_axis_rc_sof(m_axis_rc_tuser[32]),
      .m_axis_rc_discontinue(m_axis_rc_tuser[42]),
      .m_axis_rc_tvalid(m_axis_rc_tvalid),
      .look_tag(look_tag),
      .look_used(look_used),
      .look_purpose(look_purpose),
      .look_remaining_dwords(look_remaining),
      .look_received_dwords(look_received),
      .come_valid(come_valid),
      .come_dwords(come_dwords),
      .come_last(come_last),
      .quarantine_valid(quarantine_valid),
      .quarantine_tag(quarantine_tag),
      .late_valid(late_valid),
      .late_ready(late_ready),
      .late_tag(late_tag),
      .late_purpose(late_purpose),
      .write_valid(rc_valid),
      .write_kind(rc_kind),
      .write_half(rc_half),
      .write_owner(rc_owner),
      .write_word(rc_word),
      .write_data(rc_data),
      .write_lanes(rc_lanes),
      .write_split(rc_split),
      .end_valid(rc_end_valid),
      .end_kind(rc_end_kind),
      .end_owner(rc_end_owner),
      .end_half(rc_end_half),
      .end_failed(rc_end_failed)
  );

  // The way out
  rq_port #(
      .FUNCTIONS(FUNCTIONS),
      .FUNCTION_WIDTH(FW)
  ) requests (
      .clk(clk),
      .rst(rst),
      .may_send(cfg_bus_master_enable & cfg_function_enable & ~draining & ~{FUNCTIONS{hot_reset || hot}}),
      .read_credit(pcie_tfc_nph_av > 2'd1 && pcie_tfc_npd_av > 2'd1),
      .posted_valid(ce_valid),
      .posted_ready(ce_ready),
      .posted_function(ce_function),
      .posted_address(ce_address),
      .posted_one_dword(ce_dwords == 11'd1),
      .posted_data(ce_data),
      .read_valid(read_push),
      .read_function(push_function),
      .read_address(push_address),
      .read_dwords(push_bytes[12:2]),
      .read_tag(take_tag),
      .waits(rq_waits),
      .data_valid(data_valid),
      .data_ready(data_ready),
      .data_function(data_function),
      .data_beat(data_beat),
      .data_keep(data_keep),
      .data_first(data_first),
      .data_last(data_last),
      .data_one_dword(data_one_dword),
      .unsent_valid(unsent_valid),
      .unsent_tag(unsent_tag),
      .s_axis_rq_tdata(s_axis_rq_tdata),
      .s_axis_rq_tkeep(s_axis_rq_tkeep),
      .s_axis_rq_tlast(s_axis_rq_tlast),
      .s_axis_rq_tuser(s_axis_rq_tuser),
      .s_axis_rq_tvalid(s_axis_rq_tvalid),
      .s_axis_rq_tready(s_axis_rq_tready)
  );

  idle_detector idleness (
      .clk(clk),
      .rst(rst),
      .busy(!(&functions_idle) || tags_busy != 0 || rq_waits != 0 || s_axis_rq_tvalid || s_axis_cc_tvalid ||
          !m_axis_cq_tready || m_axis_cq_tvalid || fetch_wanted || dispatch_busy || registers_busy || coalescer_busy ||
          event_valid || parked_valid || pending_valid || flr_reg != 0 || hot),
      .idle(idle)
  );

endmodule

`resetall
