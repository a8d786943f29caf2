// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// loop_back: an endpoint that does by hand what registers tell it, behind the ports of nvme_controller.
//
// For the harness's own tests. BAR0 of every function, dwords:
//   0x000-0x0ff  64 dwords of storage, one set for all functions, byte enables obeyed
//   0x100        read what came first on RC for the last tag: descriptor dword 0; 0x104 dword 1
//   0x108        beats seen on RC; 0x10c dwords of data seen on RC
//   0x110        link: max payload [2:0], max read request [5:3], boundary [6]; 0x114 side-bands
//                enable [7:0], bus master [15:8], MSI-X enable [23:16], mask [31:24]
//   0x200        write: a TLP of dwords 0.. of the buffer: address in dwords 0 and 1 of the storage,
//                length in dwords in the value written, as the function written to
//   0x204        write: a read: address in dwords 0 and 1, length [10:0] and tag [23:16] of the value
//   0x208        write: the buffer to memory: address in dwords 2 and 3, beats in the value
//   0x20c        write: memory to the buffer: address in dwords 2 and 3, beats in the value
// Data of RC go into the buffer from dword 0 on, first come, first placed.

`resetall
`timescale 1ns / 1ps
`default_nettype none

module loop_back #(
    parameter VIRTUAL_FUNCTIONS = 6,
    parameter IO_QUEUES = 4,
    parameter LBA_SHIFT = 12,
    parameter ATOMIC_UNIT_BYTES = 16384,
    parameter TAGS = 64,
    parameter FUNCTIONS = VIRTUAL_FUNCTIONS + 1
) (
    input wire clk,
    input wire rst,

    input  wire [255:0] m_axis_cq_tdata,
    input  wire [  7:0] m_axis_cq_tkeep,
    input  wire         m_axis_cq_tlast,
    input  wire [ 84:0] m_axis_cq_tuser,
    input  wire         m_axis_cq_tvalid,
    output wire         m_axis_cq_tready,
    output wire         pcie_cq_np_req,

    output wire [255:0] s_axis_cc_tdata,
    output wire [  7:0] s_axis_cc_tkeep,
    output wire         s_axis_cc_tlast,
    output wire [ 32:0] s_axis_cc_tuser,
    output wire         s_axis_cc_tvalid,
    input  wire         s_axis_cc_tready,

    output reg  [255:0] s_axis_rq_tdata,
    output reg  [  7:0] s_axis_rq_tkeep,
    output reg          s_axis_rq_tlast,
    output reg  [ 59:0] s_axis_rq_tuser,
    output reg          s_axis_rq_tvalid,
    input  wire         s_axis_rq_tready,
    input  wire [  1:0] pcie_tfc_nph_av,
    input  wire [  1:0] pcie_tfc_npd_av,

    input  wire [255:0] m_axis_rc_tdata,
    input  wire [  7:0] m_axis_rc_tkeep,
    input  wire         m_axis_rc_tlast,
    input  wire [ 74:0] m_axis_rc_tuser,
    input  wire         m_axis_rc_tvalid,
    output wire         m_axis_rc_tready,

    input wire [ 2:0] cfg_max_payload,
    input wire [ 2:0] cfg_max_read_req,
    input wire        cfg_rcb_status,
    input wire [16:0] completion_space_bytes,
    input wire [ 8:0] completion_space_headers,

    input  wire [FUNCTIONS-1:0] cfg_function_enable,
    input  wire [FUNCTIONS-1:0] cfg_bus_master_enable,
    input  wire [FUNCTIONS-1:0] cfg_msix_enable,
    input  wire [FUNCTIONS-1:0] cfg_msix_mask,
    input  wire [FUNCTIONS-1:0] cfg_flr_in_process,
    output reg  [FUNCTIONS-1:0] cfg_flr_done,
    input  wire                 hot_reset,

    input wire [ 63:0] namespace_blocks,
    input wire [159:0] serial_number,

    output wire [  2:0] m_axi_arid,
    output wire [ 39:0] m_axi_araddr,
    output wire [  7:0] m_axi_arlen,
    output wire [  2:0] m_axi_arsize,
    output wire [  1:0] m_axi_arburst,
    output reg          m_axi_arvalid,
    input  wire         m_axi_arready,
    input  wire [  2:0] m_axi_rid,
    input  wire [255:0] m_axi_rdata,
    input  wire [  1:0] m_axi_rresp,
    input  wire         m_axi_rlast,
    input  wire         m_axi_rvalid,
    output wire         m_axi_rready,
    output wire [  2:0] m_axi_awid,
    output wire [ 39:0] m_axi_awaddr,
    output wire [  7:0] m_axi_awlen,
    output wire [  2:0] m_axi_awsize,
    output wire [  1:0] m_axi_awburst,
    output reg          m_axi_awvalid,
    input  wire         m_axi_awready,
    output wire [255:0] m_axi_wdata,
    output wire [ 31:0] m_axi_wstrb,
    output wire         m_axi_wlast,
    output reg          m_axi_wvalid,
    input  wire         m_axi_wready,
    input  wire [  2:0] m_axi_bid,
    input  wire [  1:0] m_axi_bresp,
    input  wire         m_axi_bvalid,
    output wire         m_axi_bready
);

    reg [31:0] storage[0:63];
    reg [31:0] buffer [0:1023];

    // CQ: one beat holds all that is handled here; a longer write stores what its first beat has.
    reg        cq_middle;
    wire       cq_begins = m_axis_cq_tvalid && m_axis_cq_tready && !cq_middle;
    wire       cq_write = cq_begins && m_axis_cq_tdata[78:75] == 4'd1;
    wire       cq_read = cq_begins && m_axis_cq_tdata[78:75] == 4'd0;
    wire [13:0] cq_offset = {m_axis_cq_tdata[13:2], 2'b00};
    wire [31:0] cq_value = m_axis_cq_tdata[159:128];
    wire [ 7:0] cq_function = m_axis_cq_tdata[111:104];

    // One answer at a time.
    reg         cc_valid;
    reg [255:0] cc_data;
    reg [  7:0] cc_keep;
    assign m_axis_cq_tready = !cc_valid && !rq_busy;
    assign pcie_cq_np_req = 1'b1;
    assign s_axis_cc_tvalid = cc_valid;
    assign s_axis_cc_tdata = cc_data;
    assign s_axis_cc_tkeep = cc_keep;
    assign s_axis_cc_tlast = 1'b1;
    assign s_axis_cc_tuser = 33'd0;

    reg [31:0] rc_low, rc_high, rc_beats;
    reg [10:0] rc_dwords;
    reg        rc_middle;

    function [31:0] register_value(input [13:0] offset);
        case (offset)
            14'h100: register_value = rc_low;
            14'h104: register_value = rc_high;
            14'h108: register_value = rc_beats;
            14'h10c: register_value = {21'd0, rc_dwords};
            14'h110: register_value = {25'd0, cfg_rcb_status, cfg_max_read_req, cfg_max_payload};
            14'h114:
            register_value = {
                1'b0, cfg_msix_mask, 1'b0, cfg_msix_enable, 1'b0, cfg_bus_master_enable, 1'b0, cfg_function_enable
            };
            14'h118: register_value = namespace_blocks[31:0];
            14'h11c: register_value = serial_number[31:0];
            default: register_value = storage[offset[7:2]];
        endcase
    endfunction

    // RQ: a TLP is sent beat by beat.
    reg         rq_busy;
    reg         rq_is_write;
    reg  [10:0] rq_left;
    reg  [ 9:0] rq_next;
    reg  [ 7:0] rq_function;
    reg  [ 7:0] rq_tag;
    reg  [10:0] rq_count;
    reg         rq_first;

    // AXI: one burst at a time.
    reg  [ 7:0] axi_beats;
    reg  [ 6:0] w_beat;
    reg  [ 6:0] r_beat;
    assign m_axi_arid = 3'd5;
    assign m_axi_awid = 3'd6;
    assign m_axi_araddr = {storage[3][7:0], storage[2]};
    assign m_axi_awaddr = {storage[3][7:0], storage[2]};
    assign m_axi_arlen = axi_beats - 8'd1;
    assign m_axi_awlen = axi_beats - 8'd1;
    assign m_axi_arsize = 3'd5;
    assign m_axi_awsize = 3'd5;
    assign m_axi_arburst = 2'd1;
    assign m_axi_awburst = 2'd1;
    assign m_axi_rready = 1'b1;
    assign m_axi_bready = 1'b1;
    assign m_axi_wstrb = 32'hffff_ffff;
    assign m_axi_wlast = {1'b0, w_beat} + 8'd1 == axi_beats;
    genvar g;
    generate
        for (g = 0; g < 8; g = g + 1) begin : beat
            assign m_axi_wdata[32*g+:32] = buffer[{w_beat, 3'd0}+g];
        end
    endgenerate

    assign m_axis_rc_tready = 1'b1;

    integer i;
    reg [10:0] place;
    reg [ 3:0] free;

    always @(posedge clk) begin
        cfg_flr_done <= cfg_flr_in_process & ~cfg_flr_done;

        if (m_axis_cq_tvalid && m_axis_cq_tready) cq_middle <= !m_axis_cq_tlast;
        if (s_axis_cc_tready) cc_valid <= 1'b0;
        if (cq_read) begin
            cc_valid <= 1'b1;
            cc_data <= 256'd0;
            cc_data[6:0] <= cq_offset[6:0];
            cc_data[42:32] <= m_axis_cq_tdata[74:64];
            cc_data[28:16] <= {m_axis_cq_tdata[74:64], 2'b00};
            cc_data[63:48] <= m_axis_cq_tdata[95:80];
            cc_data[71:64] <= m_axis_cq_tdata[103:96];
            cc_data[79:72] <= cq_function;
            cc_data[127:96] <= register_value(cq_offset);
            cc_data[159:128] <= m_axis_cq_tdata[74:64] == 11'd2 ? register_value(cq_offset + 14'd4) : 32'd0;
            cc_keep <= m_axis_cq_tdata[74:64] == 11'd2 ? 8'h1f : 8'h0f;
            if (cq_offset[13]) begin
                // Unsupported Request
                cc_data[45:43] <= 3'd1;
                cc_data[42:32] <= 11'd0;
                cc_keep <= 8'h07;
            end
        end
        if (cq_write && cq_offset < 14'h100)
            for (i = 0; i < 16; i = i + 1)
                if (m_axis_cq_tuser[8+16+i])
                    storage[cq_offset[7:2]+i/4][8*(i%4)+:8] <= m_axis_cq_tdata[128+8*i+:8];

        if (cq_write && (cq_offset == 14'h200 || cq_offset == 14'h204)) begin
            rq_busy <= 1'b1;
            rq_is_write <= cq_offset == 14'h200;
            rq_count <= cq_value[10:0];
            rq_left <= cq_offset == 14'h200 ? cq_value[10:0] : 11'd0;
            rq_tag <= cq_value[23:16];
            rq_function <= cq_function;
            rq_next <= 10'd0;
            rq_first <= 1'b1;
            if (cq_offset == 14'h204) begin
                rc_beats <= 32'd0;
                rc_dwords <= 11'd0;
            end
        end
        if (s_axis_rq_tready || !s_axis_rq_tvalid) begin
            s_axis_rq_tvalid <= rq_busy;
            if (rq_busy) begin
                s_axis_rq_tdata <= 256'd0;
                if (rq_first) begin
                    s_axis_rq_tdata[63:0] <= {storage[1], storage[0]};
                    s_axis_rq_tdata[74:64] <= rq_count;
                    s_axis_rq_tdata[75] <= rq_is_write;
                    s_axis_rq_tdata[87:80] <= rq_function;
                    s_axis_rq_tdata[103:96] <= rq_tag;
                    s_axis_rq_tuser <= {52'd0, rq_count == 11'd1 ? 4'd0 : 4'hf, 4'hf};
                    for (i = 0; i < 4; i = i + 1)
                        if (i < rq_left) s_axis_rq_tdata[128+32*i+:32] <= buffer[i];
                end else
                    for (i = 0; i < 8; i = i + 1)
                        if (i < rq_left) s_axis_rq_tdata[32*i+:32] <= buffer[rq_next+i];
                free = rq_first ? 4'd4 : 4'd8;
                rq_first <= 1'b0;
                rq_next <= rq_next + {6'd0, free};
                if (rq_left <= {7'd0, free}) begin
                    rq_busy <= 1'b0;
                    s_axis_rq_tlast <= 1'b1;
                    s_axis_rq_tkeep <= 8'hff >> (free - rq_left[3:0]);
                end else begin
                    rq_left <= rq_left - {7'd0, free};
                    s_axis_rq_tlast <= 1'b0;
                    s_axis_rq_tkeep <= 8'hff;
                end
            end
        end

        if (m_axis_rc_tvalid) begin
            rc_middle <= !m_axis_rc_tlast;
            rc_beats <= rc_beats + 32'd1;
            if (!rc_middle) begin
                rc_low <= m_axis_rc_tdata[31:0];
                rc_high <= m_axis_rc_tdata[63:32];
            end
            // Byte enables say what is data.
            place = rc_dwords;
            for (i = 0; i < 8; i = i + 1)
                if (m_axis_rc_tuser[4*i+:4] == 4'hf) begin
                    buffer[place[9:0]] <= m_axis_rc_tdata[32*i+:32];
                    place = place + 11'd1;
                end
            rc_dwords <= place;
        end

        if (m_axi_arready) m_axi_arvalid <= 1'b0;
        if (m_axi_awready) m_axi_awvalid <= 1'b0;
        if (m_axi_wvalid && m_axi_wready) begin
            w_beat <= w_beat + 7'd1;
            if (m_axi_wlast) m_axi_wvalid <= 1'b0;
        end
        if (m_axi_rvalid) begin
            r_beat <= r_beat + 7'd1;
            for (i = 0; i < 8; i = i + 1) buffer[{r_beat, 3'd0}+i] <= m_axi_rdata[32*i+:32];
        end
        if (cq_write && (cq_offset == 14'h208 || cq_offset == 14'h20c)) begin
            axi_beats <= cq_value[7:0];
            w_beat <= 7'd0;
            r_beat <= 7'd0;
            m_axi_awvalid <= cq_offset == 14'h208;
            m_axi_wvalid <= cq_offset == 14'h208;
            m_axi_arvalid <= cq_offset == 14'h20c;
        end

        if (rst) begin
            cq_middle <= 1'b0;
            cc_valid <= 1'b0;
            rq_busy <= 1'b0;
            rc_middle <= 1'b0;
            s_axis_rq_tvalid <= 1'b0;
            m_axi_arvalid <= 1'b0;
            m_axi_awvalid <= 1'b0;
            m_axi_wvalid <= 1'b0;
            cfg_flr_done <= {FUNCTIONS{1'b0}};
        end
    end

endmodule

`resetall
