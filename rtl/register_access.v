// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// register_access: CQ and CC, the hosts' accesses to BAR0.
//
// A write of one dword is applied in the cycle its beat is taken, the second dword of a write of two in the cycle
// after. A read is answered on CC four cycles after its beat, low dword looked up first. Accesses that no register
// answers (parts of a dword, other sizes, another BAR, no such function, I/O, AtomicOps) are dropped; those that want a
// completion end as Unsupported Request. A read without byte enables, which only pushes writes before it, gets its dword.
// One read at a time: CQ waits for its completion, and for nothing else.

`resetall
`timescale 1ns / 1ps
`default_nettype none

module register_access #(
    // Functions, and width of a function's number
    parameter FUNCTIONS = 7,
    parameter FUNCTION_WIDTH = 3
) (
    input wire clk,
    input wire rst,

    // Completer requests
    input  wire [255:0] m_axis_cq_tdata,
    input  wire         m_axis_cq_tlast,
    input  wire         m_axis_cq_tvalid,
    input  wire [  7:0] m_axis_cq_enables,
    input  wire         m_axis_cq_discontinue,
    output wire         m_axis_cq_tready,

    // Completer completions
    output wire [255:0] s_axis_cc_tdata,
    output wire [  7:0] s_axis_cc_tkeep,
    output wire         s_axis_cc_tvalid,
    input  wire         s_axis_cc_tready,

    // Functions that answer
    input wire [FUNCTIONS-1:0] answers,

    // One dword to a register, in this cycle
    output wire                      write_valid,
    output wire [FUNCTION_WIDTH-1:0] write_function,
    output wire [              13:2] write_address,
    output wire [              31:0] write_data,

    // The dword to read; its value is looked at in the same cycle
    output wire [FUNCTION_WIDTH-1:0] read_function,
    output wire [              13:2] read_address,
    input  wire [              31:0] read_data
);

  localparam [3:0] MEMORY_READ = 4'd0;
  localparam [3:0] MEMORY_WRITE = 4'd1;
  localparam [3:0] COMPARE_AND_SWAP = 4'd6;
  localparam [3:0] LOCKED_READ = 4'd7;
  // Number of the first VF on the link
  localparam [7:0] FIRST_VF = 8'd64;

  localparam [2:0] IDLE = 3'd0;
  localparam [2:0] WRITE_HIGH = 3'd1;
  localparam [2:0] READ_LOW = 3'd2;
  localparam [2:0] READ_HIGH = 3'd3;
  localparam [2:0] FORM = 3'd4;
  localparam [2:0] ANSWER = 3'd5;

  reg [2:0] state_reg, state_next;
  reg in_packet_reg;

  // The request in the first beat
  wire [10:0] dwords = m_axis_cq_tdata[74:64];
  wire [3:0] request_type = m_axis_cq_tdata[78:75];
  wire [7:0] target = m_axis_cq_tdata[111:104];
  wire [7:0] number = target == 8'd0 ? 8'd0 : target - FIRST_VF + 8'd1;
  wire is_function = target == 8'd0 || (target >= FIRST_VF && number < FUNCTIONS[7:0]);
  wire [FUNCTION_WIDTH-1:0] function_number = number[FUNCTION_WIDTH-1:0];
  wire [3:0] first_enables = m_axis_cq_enables[3:0];
  wire [3:0] last_enables = m_axis_cq_enables[7:4];
  wire is_read = request_type == MEMORY_READ;
  // Nothing is enabled
  wire flush = is_read && dwords == 11'd1 && m_axis_cq_enables == 8'h00;
  wire whole = (dwords == 11'd1 && m_axis_cq_enables == 8'h0f) || (dwords == 11'd2 && m_axis_cq_enables == 8'hff);
  wire here = is_function && answers[function_number] && m_axis_cq_tdata[114:112] == 3'd0;
  wire sound = here && (is_read || request_type == MEMORY_WRITE) && (whole || flush);
  // What is not posted, and so must be answered
  wire wants_answer = request_type <= LOCKED_READ && request_type != MEMORY_WRITE;
  wire first = m_axis_cq_tvalid && m_axis_cq_tready && !in_packet_reg;
  wire accept = first && !m_axis_cq_discontinue;

  reg [FUNCTION_WIDTH-1:0] function_reg;
  reg [13:2] address_reg;
  reg [31:0] high_data_reg;
  reg two_reg, sound_reg;
  reg [3:0] first_enables_reg, last_enables_reg;
  reg [127:0] descriptor_reg;
  reg [31:0] low_reg, high_reg;

  assign m_axis_cq_tready = state_reg == IDLE;

  assign write_valid = (accept && sound && request_type == MEMORY_WRITE) || state_reg == WRITE_HIGH;
  assign write_function = state_reg == WRITE_HIGH ? function_reg : function_number;
  assign write_address = state_reg == WRITE_HIGH ? address_reg + 12'd1 : m_axis_cq_tdata[13:2];
  assign write_data = state_reg == WRITE_HIGH ? high_data_reg : m_axis_cq_tdata[159:128];

  assign read_function = function_reg;
  assign read_address = state_reg == READ_HIGH ? address_reg + 12'd1 : address_reg;

  always @* begin
    state_next = state_reg;
    case (state_reg)
      IDLE:
      if (accept) begin
        if (wants_answer) state_next = READ_LOW;
        else if (write_valid && dwords == 11'd2) state_next = WRITE_HIGH;
      end
      WRITE_HIGH: state_next = IDLE;
      READ_LOW: state_next = READ_HIGH;
      READ_HIGH: state_next = FORM;
      FORM: state_next = ANSWER;
      default: if (s_axis_cc_tready) state_next = IDLE;
    endcase
  end

  // The completion: descriptor of 3 dwords, then data
  wire [3:0] type_reg = descriptor_reg[78:75];
  wire is_memory = type_reg == MEMORY_READ || type_reg == LOCKED_READ;
  // Of the first dword the bytes before its first enabled one, of the last those behind its last one are not counted
  wire [1:0] skipped_first = first_enables_reg[0] ? 2'd0 : first_enables_reg[1] ? 2'd1 : first_enables_reg[2] ? 2'd2 :
      first_enables_reg[3] ? 2'd3 : 2'd0;
  wire [3:0] ending_enables = descriptor_reg[74:64] == 11'd1 ? first_enables_reg : last_enables_reg;
  wire [1:0] skipped_last = ending_enables[3] ? 2'd0 : ending_enables[2] ? 2'd1 : ending_enables[1] ? 2'd2 : 2'd3;
  wire [12:0] all_bytes = {descriptor_reg[74:64], 2'b00};
  wire [12:0] byte_count = is_memory ? all_bytes - {11'd0, skipped_first} - {11'd0, skipped_last} :
      type_reg == COMPARE_AND_SWAP ? {1'b0, all_bytes[12:1]} : all_bytes;
  wire [6:0] lower_address = is_memory ? {descriptor_reg[6:2], skipped_first} : 7'd0;
  wire [10:0] data_dwords = sound_reg ? (two_reg ? 11'd2 : 11'd1) : 11'd0;
  assign s_axis_cc_tvalid = state_reg == ANSWER;
  assign s_axis_cc_tkeep = sound_reg ? (two_reg ? 8'h1f : 8'h0f) : 8'h07;
  assign s_axis_cc_tdata = {
    96'd0,
    high_reg,
    low_reg,
    1'b0,
    descriptor_reg[126:124],  // attributes
    descriptor_reg[123:121],  // traffic class
    1'b0,
    8'd0,
    descriptor_reg[111:104],  // completer: the target function
    descriptor_reg[103:96],  // tag
    descriptor_reg[95:80],  // requester ID
    1'b0,
    1'b0,
    sound_reg ? 3'd0 : 3'd1,
    data_dwords,
    2'd0,
    type_reg == LOCKED_READ,
    byte_count,
    6'd0,
    2'd0,
    1'b0,
    lower_address
  };

  always @(posedge clk) begin
    state_reg <= state_next;
    if (m_axis_cq_tvalid && m_axis_cq_tready) in_packet_reg <= !m_axis_cq_tlast;
    if (accept) begin
      descriptor_reg    <= m_axis_cq_tdata[127:0];
      function_reg      <= function_number;
      address_reg       <= m_axis_cq_tdata[13:2];
      high_data_reg     <= m_axis_cq_tdata[191:160];
      two_reg           <= dwords == 11'd2;
      sound_reg         <= sound;
      first_enables_reg <= first_enables;
      last_enables_reg  <= last_enables;
    end
    if (state_reg == READ_LOW) low_reg <= read_data;
    if (state_reg == READ_HIGH) high_reg <= read_data;
    if (rst) begin
      state_reg     <= IDLE;
      in_packet_reg <= 1'b0;
    end
  end

endmodule

`resetall
