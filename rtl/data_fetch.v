// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// data_fetch: the host's data of Writes, Compares and pairs, by reads of at most MRRS within a host page.
//
// Functions take turns of a granule (what lies in one host page); a pair's Compare data come first, then the Write's. A
// command whose reads have all ended is told on `filled`, whether they brought their data or not.

`resetall
`timescale 1ns / 1ps
`default_nettype none

module data_fetch #(
    // Functions, and width of a function's number
    parameter FUNCTIONS = 7,
    parameter FUNCTION_WIDTH = 3,
    // Width of a context's number (derived)
    parameter CONTEXT_WIDTH = FUNCTION_WIDTH + 5
) (
    input wire clk,
    input wire rst,

    // Functions whose commands fetch nothing any more
    input wire [FUNCTIONS-1:0] gone,
    // Largest read in bytes
    input wire [         12:0] most_bytes,

    // A command
    input wire                     start_valid,
    input wire [CONTEXT_WIDTH-1:0] start_context,

    // The context table
    output wire [CONTEXT_WIDTH-1:0] look_context,
    input  wire                     look_pair,
    input  wire [             17:0] look_length,
    input  wire [            127:0] look_prps,
    input  wire [            127:0] look_second_prps,

    // A read: where its data go is {context without the admin bit, half, dword}
    output wire                      read_valid,
    input  wire                      read_ready,
    output wire [FUNCTION_WIDTH-1:0] read_function,
    output wire [              63:0] read_address,
    output wire [              12:0] read_bytes,
    output wire [ CONTEXT_WIDTH-1:0] read_context,
    output wire                      read_half,
    output wire [              10:0] read_dword,

    // A read has ended; another was not sent
    input wire                     end_valid,
    input wire [CONTEXT_WIDTH-1:0] end_context,
    input wire                     end_half,
    input wire                     end_failed,
    input wire                     unsent_valid,
    input wire [CONTEXT_WIDTH-1:0] unsent_context,

    // No read that was sent will end any more
    input wire forget,

    // All that comes has come; a half of it did not
    output wire                     filled_valid,
    input  wire                     filled_ready,
    output wire [CONTEXT_WIDTH-1:0] filled_context,
    output wire                     filled_first_failed,
    output wire                     filled_second_failed
);

  localparam CONTEXTS = 1 << CONTEXT_WIDTH;

  // Whose turn it is; a granule is asked for as a whole
  wire [FUNCTIONS-1:0] waits;
  wire [FUNCTION_WIDTH-1:0] turn_function;
  wire any, last_read, granule_ends;
  reg [FUNCTION_WIDTH-1:0] from_reg, held_function_reg;
  reg held_reg;
  wire [FUNCTION_WIDTH-1:0] chosen = held_reg ? held_function_reg : turn_function;
  wire [CONTEXT_WIDTH-1:0] context_number;
  wire go;
  round_robin #(
      .COUNT(FUNCTIONS),
      .WIDTH(FUNCTION_WIDTH)
  ) turn (
      .request(waits),
      .from(from_reg),
      .chosen(turn_function),
      .valid(any)
  );
  function_fifos #(
      .FUNCTIONS(FUNCTIONS),
      .FUNCTION_WIDTH(FUNCTION_WIDTH),
      .WIDTH(CONTEXT_WIDTH)
  ) commands (
      .clk(clk),
      .rst(rst),
      .push_valid(start_valid),
      .push_entry(start_context),
      .waits(waits),
      .look_function(chosen),
      .look_entry(context_number),
      .pop_valid(go && last_read)
  );
  assign look_context = context_number;

  // Of each function's oldest command: bytes asked for of the half, and which half
  reg [17:0] asked_reg[0:FUNCTIONS-1];
  reg [FUNCTIONS-1:0] half_reg;
  wire [17:0] asked = asked_reg[chosen];
  wire half = half_reg[chosen];
  wire is_gone = gone[chosen];

  wire [127:0] prps = half ? look_second_prps : look_prps;
  wire [12:0] first_room = 13'd4096 - {1'b0, prps[11:0]};
  wire in_first = asked < {5'd0, first_room};
  wire [63:0] second_page = {prps[127:76], 12'd0} + {46'd0, asked} - {51'd0, first_room};
  wire [63:0] address = in_first ? prps[63:0] + {46'd0, asked} : second_page;
  wire [12:0] page_left = 13'd4096 - {1'b0, address[11:0]};
  wire [17:0] left = look_length - asked;
  wire [12:0] bytes_page = left < {5'd0, page_left} ? left[12:0] : page_left;
  wire [12:0] bytes = bytes_page < most_bytes ? bytes_page : most_bytes;
  wire half_ends = left == {5'd0, bytes};
  assign granule_ends = bytes == bytes_page;
  assign last_read = is_gone || (half_ends && (half || !look_pair));
  assign go = any && (is_gone || read_ready);

  assign read_valid = any && !is_gone;
  assign read_function = chosen;
  assign read_address = address;
  assign read_bytes = bytes;
  assign read_context = context_number;
  assign read_half = half;
  assign read_dword = asked[12:2];

  // Reads of each context: asked for, ended, not sent
  reg [6:0] sent_reg  [0:CONTEXTS-1];
  reg [6:0] ended_reg [0:CONTEXTS-1];
  reg [6:0] unsent_reg[0:CONTEXTS-1];
  reg [CONTEXTS-1:0] lost_reg, all_reg, first_failed_reg, second_failed_reg;

  integer c;
  reg found;
  reg [CONTEXT_WIDTH-1:0] found_context;
  always @* begin
    found = 1'b0;
    found_context = {CONTEXT_WIDTH{1'b0}};
    if (|all_reg)
      for (c = 0; c < CONTEXTS; c = c + 1)
      if (!found && all_reg[c] && (lost_reg[c] || sent_reg[c] == ended_reg[c] + unsent_reg[c])) begin
        found = 1'b1;
        found_context = c[CONTEXT_WIDTH-1:0];
      end
  end
  assign filled_valid = found;
  assign filled_context = found_context;
  assign filled_first_failed = first_failed_reg[found_context];
  assign filled_second_failed = second_failed_reg[found_context];

  integer f;
  always @(posedge clk) begin
    if (start_valid) begin
      lost_reg[start_context] <= 1'b0;
      sent_reg[start_context] <= 7'd0;
      ended_reg[start_context] <= 7'd0;
      unsent_reg[start_context] <= 7'd0;
      first_failed_reg[start_context] <= 1'b0;
      second_failed_reg[start_context] <= 1'b0;
    end
    if (end_valid) begin
      ended_reg[end_context] <= ended_reg[end_context] + 7'd1;
      if (end_failed && !end_half) first_failed_reg[end_context] <= 1'b1;
      if (end_failed && end_half) second_failed_reg[end_context] <= 1'b1;
    end
    if (unsent_valid) begin
      unsent_reg[unsent_context] <= unsent_reg[unsent_context] + 7'd1;
      first_failed_reg[unsent_context] <= 1'b1;
    end
    if (go) begin
      if (!is_gone) sent_reg[context_number] <= sent_reg[context_number] + 7'd1;
      else first_failed_reg[context_number] <= 1'b1;
      if (last_read) all_reg[context_number] <= 1'b1;
      asked_reg[chosen] <= last_read || half_ends ? 18'd0 : asked + {5'd0, bytes};
      half_reg[chosen] <= !last_read && (half || half_ends);
      held_reg <= !last_read && !granule_ends;
      held_function_reg <= chosen;
      from_reg <= chosen == FUNCTIONS[FUNCTION_WIDTH-1:0] - 1'b1 ? {FUNCTION_WIDTH{1'b0}} : chosen + 1'b1;
    end
    if (forget) begin
      lost_reg <= {CONTEXTS{1'b1}};
      first_failed_reg <= {CONTEXTS{1'b1}};
    end
    if (filled_valid && filled_ready) all_reg[found_context] <= 1'b0;
    if (rst) begin
      held_reg <= 1'b0;
      from_reg <= {FUNCTION_WIDTH{1'b0}};
      all_reg  <= {CONTEXTS{1'b0}};
      half_reg <= {FUNCTIONS{1'b0}};
      for (f = 0; f < FUNCTIONS; f = f + 1) asked_reg[f] <= 18'd0;
    end
  end

endmodule

`resetall
