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
//       [6:0] lower address  [9:8] address type  [28:16] byte count  [42:32] dword count
//       [45:43] completion status (0 success, 1 unsupported request)  [46] poisoned
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
// from the cycle after. The 4-bit tready copies and the pairs of cfg_* and cfg_vf_* of the block are joined outside.

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
    // Width of an AXI address in bits
    parameter AXI_ADDRESS_WIDTH = 40,
    // Width of an AXI ID in bits
    parameter AXI_ID_WIDTH = 3,
    // Functions (derived)
    parameter FUNCTIONS = VIRTUAL_FUNCTIONS + 1
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
    output wire                         m_axi_bready
);

endmodule

`resetall
