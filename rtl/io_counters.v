// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// io_counters: what each function has done since power-on: log page C0h, and the I/O figures of the health page.
//
// Sixteen 64-bit fields a function, one memory, one adder. A command that has ended, or one that waits for the range
// lock, names fields; they are added to one a cycle, then the engine rests a cycle. A second copy, four words of 32 bytes
// a function, is there for the pages. After reset everything is set to zero, a field a cycle.

`resetall
`timescale 1ns / 1ps
`default_nettype none

module io_counters #(
    // Functions, and width of a function's number
    parameter FUNCTIONS = 7,
    parameter FUNCTION_WIDTH = 3,
    // Width of a context's number
    parameter CONTEXT_WIDTH = FUNCTION_WIDTH + 5
) (
    input wire clk,
    input wire rst,

    // A command has been decoded
    input wire                     start_valid,
    input wire [CONTEXT_WIDTH-1:0] start_context,
    // A command waits for the range lock: counted once a command
    input wire                     wait_valid,
    input wire [CONTEXT_WIDTH-1:0] wait_context,
    // An I/O command has ended with these statuses
    input wire                     end_valid,
    input wire [CONTEXT_WIDTH-1:0] end_context,
    input wire [              2:0] end_kind,
    input wire [             17:0] end_length,
    input wire [             10:0] end_status,
    input wire [             10:0] end_second_status,

    // For the pages, in the cycle after an enabled one and until the next: the even and the odd word of a row of C0h, and
    // figures of the health page
    input  wire                      page_enable,
    input  wire [FUNCTION_WIDTH-1:0] even_function,
    input  wire [FUNCTION_WIDTH-1:0] odd_function,
    input  wire [FUNCTION_WIDTH-1:0] health_function,
    output wire [             255:0] even_data,
    output wire [             255:0] odd_data,
    output wire [              63:0] host_reads,
    output wire [              63:0] host_writes,
    output wire [              63:0] data_units_read,
    output wire [              63:0] data_units_written,
    output wire [              63:0] media_errors
);

  `include "nvme_defs.vh"
  `include "command_kinds.vh"

  // Fields: those of a row of C0h in their order, then those of the health page. The slack is what still fits into the
  // last data unit, in bytes; its field goes before that of the units.
  localparam [3:0] READS = 4'd0;
  localparam [3:0] WRITES = 4'd1;
  localparam [3:0] COMPARES = 4'd2;
  localparam [3:0] PAIRS = 4'd3;
  localparam [3:0] BYTES_READ = 4'd4;
  localparam [3:0] BYTES_WRITTEN = 4'd5;
  localparam [3:0] MISCOMPARES = 4'd6;
  localparam [3:0] LOCK_WAITS = 4'd7;
  localparam [3:0] HOST_READS = 4'd8;
  localparam [3:0] SLACK_READ = 4'd9;
  localparam [3:0] UNITS_READ = 4'd10;
  localparam [3:0] HOST_WRITES = 4'd11;
  localparam [3:0] SLACK_WRITTEN = 4'd12;
  localparam [3:0] UNITS_WRITTEN = 4'd13;
  localparam [3:0] MEDIA_ERRORS = 4'd14;

  localparam ADDRESS_WIDTH = FUNCTION_WIDTH + 4;
  localparam EVENT_WIDTH = FUNCTION_WIDTH + 18 + 1 + 16;

  // What a command that has ended counts
  wire miscompared = end_status == STATUS_COMPARE_FAILURE;
  wire done = end_status == STATUS_SUCCESS || miscompared;
  wire medium_failed = end_status == STATUS_UNRECOVERED_READ_ERROR || end_status == STATUS_WRITE_FAULT ||
      (end_kind == KIND_PAIR && end_second_status == STATUS_WRITE_FAULT);
  reg [15:0] fields;
  always @* begin
    fields = 16'd0;
    case (end_kind)
      KIND_READ: begin
        fields[READS] = done;
        fields[BYTES_READ] = done;
        fields[HOST_READS] = done;
      end
      KIND_WRITE: begin
        fields[WRITES] = done;
        fields[BYTES_WRITTEN] = done;
        fields[HOST_WRITES] = done;
      end
      KIND_COMPARE: begin
        fields[COMPARES] = done;
        fields[BYTES_WRITTEN] = done;
        fields[MISCOMPARES] = miscompared;
        fields[HOST_READS] = done;
      end
      KIND_PAIR:
      if (miscompared || (done && end_second_status == STATUS_SUCCESS)) begin
        fields[PAIRS] = 1'b1;
        fields[BYTES_WRITTEN] = 1'b1;
        fields[MISCOMPARES] = miscompared;
        fields[HOST_READS] = 1'b1;
        fields[HOST_WRITES] = !miscompared;
      end
      default: ;
    endcase
    fields[SLACK_READ] = fields[HOST_READS];
    fields[UNITS_READ] = fields[HOST_READS];
    fields[SLACK_WRITTEN] = fields[HOST_WRITES];
    fields[UNITS_WRITTEN] = fields[HOST_WRITES];
    fields[MEDIA_ERRORS] = end_kind != KIND_STATUS && medium_failed;
  end

  // A command of the smallest block keeps a data path busy for 16 cycles, longer than the engine needs for it; behind a
  // pause of the RQ as many may end in a row as there are contexts.
  wire event_valid, event_take;
  wire [EVENT_WIDTH-1:0] next;
  sync_fifo #(
      .WIDTH(EVENT_WIDTH),
      .DEPTH_WIDTH(CONTEXT_WIDTH)
  ) events (
      .clk(clk),
      .rst(rst),
      .push_valid(end_valid && fields != 16'd0),
      .push_entry({end_context[CONTEXT_WIDTH-1:5], end_length, end_kind == KIND_PAIR, fields}),
      .valid(event_valid),
      .entry(next),
      .pop(event_take)
  );

  // Commands that have been counted as waiting: the bits of both memories are equal.
  reg start_memory[0:(1<<CONTEXT_WIDTH)-1];
  reg counted_memory[0:(1<<CONTEXT_WIDTH)-1];
  wire counts_wait = wait_valid && start_memory[wait_context] != counted_memory[wait_context];
  always @(posedge clk) begin
    if (start_valid) start_memory[start_context] <= !counted_memory[start_context];
    if (counts_wait) counted_memory[wait_context] <= start_memory[wait_context];
  end

  // Waits that are not in their field yet: they go before what has ended.
  reg [5:0] waits_reg[0:FUNCTIONS-1];
  reg any_wait;
  reg [FUNCTION_WIDTH-1:0] wait_function;
  integer f;
  always @* begin
    any_wait = 1'b0;
    wait_function = {FUNCTION_WIDTH{1'b0}};
    for (f = FUNCTIONS - 1; f >= 0; f = f - 1) begin
      if (waits_reg[f] != 6'd0) begin
        any_wait = 1'b1;
        wait_function = f[FUNCTION_WIDTH-1:0];
      end
    end
  end

  // The engine: fields of the event that are still to be read, and the field that has been read
  reg [15:0] left_reg;
  reg [FUNCTION_WIDTH-1:0] function_reg;
  reg [17:0] length_reg;
  reg twice_reg;
  reg [3:0] field;
  integer i;
  always @* begin
    field = 4'd0;
    for (i = 15; i >= 0; i = i - 1) if (left_reg[i]) field = i[3:0];
  end
  reg clearing_reg;
  reg [ADDRESS_WIDTH-1:0] clear_reg;
  reg adds_reg, carry_reg;
  reg [3:0] field_reg;
  wire at_rest = left_reg == 16'd0 && !adds_reg && !clearing_reg;
  wire wait_take = at_rest && any_wait;
  assign event_take = at_rest && !any_wait && event_valid;

  // A field is read, what is added to it is found out, and it is written: a cycle each. The last of an event is written in
  // the cycle before the next event's first is read.
  reg [63:0] memory[0:(1<<ADDRESS_WIDTH)-1];
  reg [63:0] old_reg;
  wire is_slack = field_reg == SLACK_READ || field_reg == SLACK_WRITTEN;
  wire [63:0] bytes = {46'd0, length_reg};
  wire begins_unit = bytes > old_reg;
  reg [63:0] summand;
  always @* begin
    case (field_reg)
      BYTES_READ: summand = bytes;
      BYTES_WRITTEN: summand = twice_reg ? {bytes[62:0], 1'b0} : bytes;
      SLACK_READ, SLACK_WRITTEN: summand = (begins_unit ? {32'd0, HEALTH_DATA_UNIT_BYTES} : 64'd0) - bytes;
      UNITS_READ, UNITS_WRITTEN: summand = {63'd0, carry_reg};
      default: summand = 64'd1;
    endcase
  end
  reg writes_reg;
  reg [ADDRESS_WIDTH-1:0] write_address_reg;
  reg [63:0] written_old_reg, summand_reg;
  wire write = clearing_reg || writes_reg;
  wire [ADDRESS_WIDTH-1:0] write_address = clearing_reg ? clear_reg : write_address_reg;
  wire [63:0] value = clearing_reg ? 64'd0 : written_old_reg + summand_reg;

  always @(posedge clk) begin
    if (write) memory[write_address] <= value;
    old_reg <= memory[{function_reg, field}];
    field_reg <= field;
    adds_reg <= left_reg != 16'd0;
    writes_reg <= adds_reg;
    write_address_reg <= {function_reg, field_reg};
    written_old_reg <= old_reg;
    summand_reg <= summand;
    if (adds_reg && is_slack) carry_reg <= begins_unit;
    left_reg <= left_reg & (left_reg - 16'd1);
    if (event_take) {function_reg, length_reg, twice_reg, left_reg} <= next;
    if (wait_take) begin
      function_reg <= wait_function;
      left_reg <= 16'd1 << LOCK_WAITS;
    end
    if (counts_wait || wait_take || rst)
      for (i = 0; i < FUNCTIONS; i = i + 1) begin
        waits_reg[i] <= waits_reg[i] +
          {5'd0, counts_wait && wait_context[CONTEXT_WIDTH-1:5] == i[FUNCTION_WIDTH-1:0]} -
          {5'd0, wait_take && wait_function == i[FUNCTION_WIDTH-1:0]};
        if (rst) waits_reg[i] <= 6'd0;
      end
    if (clearing_reg) begin
      clear_reg <= clear_reg + 1'b1;
      if (&clear_reg) clearing_reg <= 1'b0;
    end
    if (rst) begin
      clearing_reg <= 1'b1;
      clear_reg <= {ADDRESS_WIDTH{1'b0}};
      left_reg <= 16'd0;
      adds_reg <= 1'b0;
      writes_reg <= 1'b0;
    end
  end

  // The pages' copy: words of four fields
  wire [1023:0] words;
  genvar w;
  generate
    for (w = 0; w < 4; w = w + 1) begin : gen_words
      reg [255:0] word_memory[0:(1<<FUNCTION_WIDTH)-1];
      reg [255:0] word_reg;
      wire [FUNCTION_WIDTH-1:0] place = w == 0 ? even_function : (w == 1 ? odd_function : health_function);
      integer lane;
      always @(posedge clk) begin
        for (lane = 0; lane < 4; lane = lane + 1) begin
          if (write && write_address[3:0] == {w[1:0], lane[1:0]})
            word_memory[write_address[ADDRESS_WIDTH-1:4]][64*lane+:64] <= value;
        end
        if (page_enable) word_reg <= word_memory[place];
      end
      assign words[256*w+:256] = word_reg;
    end
  endgenerate
  assign even_data = words[255:0];
  assign odd_data = words[511:256];
  assign host_reads = words[64*HOST_READS+:64];
  assign host_writes = words[64*HOST_WRITES+:64];
  assign data_units_read = words[64*UNITS_READ+:64];
  assign data_units_written = words[64*UNITS_WRITTEN+:64];
  assign media_errors = words[64*MEDIA_ERRORS+:64];

endmodule

`resetall
