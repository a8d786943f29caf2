// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// fair_turns: whose granule a data mover moves next: functions, then queues, in turn by bytes; within a queue, contexts in
// the order in which they became ready.
//
// A row is a queue of a function and has a FIFO of contexts. When the head of a row is new, or has moved a granule, the
// user is asked for its next cost (`look`); until every row's cost is known nothing is chosen, so that a turn never goes
// by an old cost. A choice stands in a register until it is taken; its bytes are charged when it is made. A context's
// first choice comes three cycles after its push, choices come at most every five cycles.

`resetall
`timescale 1ns / 1ps
`default_nettype none

module fair_turns #(
    // Functions, and width of a function's number in bits
    parameter FUNCTIONS = 7,
    parameter FUNCTION_WIDTH = 3,
    // Queues of each function, and width of a queue's number in bits
    parameter QUEUES = 5,
    parameter QUEUE_WIDTH = 3,
    // Width of a context's number: {function, admin bit, number of 4 bits} (derived)
    parameter CONTEXT_WIDTH = FUNCTION_WIDTH + 5,
    // Width of a row's number: {function, queue} (derived)
    parameter ROW_WIDTH = FUNCTION_WIDTH + QUEUE_WIDTH,
    // Log2 of the quantum in bytes; costs have one bit more and are at most the quantum
    parameter QUANTUM_SHIFT = 12,
    // Width of a cost in bits (derived)
    parameter COST_WIDTH = QUANTUM_SHIFT + 1
) (
    input wire clk,
    input wire rst,

    // A context has something to move; it is not among those that have
    input wire                     push_valid,
    input wire [    ROW_WIDTH-1:0] push_row,
    input wire [CONTEXT_WIDTH-1:0] push_context,

    // Asks for the bytes of a context's next granule; answered in the same cycle
    output wire                     look_valid,
    output wire [CONTEXT_WIDTH-1:0] look_context,
    input  wire [   COST_WIDTH-1:0] look_cost,

    // Whose turn it is; stands until taken
    output wire                     chosen_valid,
    output wire [    ROW_WIDTH-1:0] chosen_row,
    output wire [CONTEXT_WIDTH-1:0] chosen_context,
    output wire [   COST_WIDTH-1:0] chosen_bytes,

    // The granule is moved, only with chosen_valid; with `take_last` the context has nothing more to move for now. What
    // `look_cost` is found from is up to date from the next cycle on.
    input wire take,
    input wire take_last
);

  localparam ROWS = 1 << ROW_WIDTH;
  // Log2 of a function's contexts, which may all be in one row
  localparam PLACE_WIDTH = 4;

  // Rows with contexts, and rows whose head's cost is not known
  reg [ROWS-1:0] waits_reg, dirty_reg;
  wire [ROWS-1:0] push_bit = {{ROWS - 1{1'b0}}, 1'b1} << push_row;
  wire [ROWS-1:0] chosen_bit = {{ROWS - 1{1'b0}}, 1'b1} << chosen_row;
  wire pops = take && take_last;

  // The FIFOs. Pointers hold once their bit is set, and are 0 before.
  // A block RAM would show an entry too late for its cost to be found in the same cycle.
  (* ram_style = "distributed" *)
  reg [PLACE_WIDTH-1:0] entry_memory[0:(ROWS<<PLACE_WIDTH)-1];
  reg [PLACE_WIDTH-1:0] write_memory[0:ROWS-1];
  reg [PLACE_WIDTH-1:0] read_memory[0:ROWS-1];
  reg [ROWS-1:0] written_reg, read_reg;

  // The row that is looked at next: the lowest one; bit b of its number is set when it is one of the rows that have it
  wire any_dirty = |dirty_reg;
  wire [ROWS-1:0] lowest = dirty_reg & (~dirty_reg + 1'b1);
  wire [ROW_WIDTH-1:0] dirty_row;
  genvar r, b;
  generate
    for (b = 0; b < ROW_WIDTH; b = b + 1) begin : gen_bit
      wire [ROWS-1:0] rows;
      for (r = 0; r < ROWS; r = r + 1) begin : gen_row
        localparam [31:0] NUMBER = r;
        assign rows[r] = NUMBER[b];
      end
      assign dirty_row[b] = |(lowest & rows);
    end
  endgenerate
  // A context that comes to an empty row needs not be fetched from its FIFO.
  wire push_first = push_valid && (waits_reg & push_bit) == {ROWS{1'b0}};
  reg picked_reg;
  reg [ROW_WIDTH-1:0] picked_row_reg;
  wire passes = push_first && !any_dirty && !picked_reg;
  wire [ROW_WIDTH-1:0] fetch_row = passes ? push_row : picked_row_reg;

  wire [PLACE_WIDTH-1:0] push_place = write_memory[push_row] & {PLACE_WIDTH{written_reg[push_row]}};
  wire [PLACE_WIDTH-1:0] last_place = write_memory[chosen_row] & {PLACE_WIDTH{written_reg[chosen_row]}};
  wire [PLACE_WIDTH-1:0] head_place = read_memory[chosen_row] & {PLACE_WIDTH{read_reg[chosen_row]}};
  wire [PLACE_WIDTH-1:0] fetch_place = read_memory[picked_row_reg] & {PLACE_WIDTH{read_reg[picked_row_reg]}};
  wire [PLACE_WIDTH-1:0] next_place = head_place + 1'b1;
  wire empties = pops && next_place == last_place && !(push_valid && push_row == chosen_row);

  // The head that is looked at
  reg look_valid_reg, passes_reg;
  reg [ROW_WIDTH-1:0] look_row_reg;
  reg [PLACE_WIDTH-1:0] fetched_reg, passed_reg;
  wire [PLACE_WIDTH-1:0] look_number = passes_reg ? passed_reg : fetched_reg;
  assign look_valid   = look_valid_reg;
  assign look_context = {look_row_reg[ROW_WIDTH-1-:FUNCTION_WIDTH], 1'b0, look_number};

  // Heads, as they were looked at last
  reg [PLACE_WIDTH-1:0] head_memory[0:ROWS-1];

  always @(posedge clk) begin
    if (push_valid) begin
      entry_memory[{push_row, push_place}] <= push_context[PLACE_WIDTH-1:0];
      write_memory[push_row] <= push_place + 1'b1;
    end
    if (pops) read_memory[chosen_row] <= next_place;
    fetched_reg <= entry_memory[{picked_row_reg, fetch_place}];
    if (look_valid_reg) head_memory[look_row_reg] <= look_number;
  end

  // The choice
  wire [FUNCTIONS*QUEUES-1:0] active;
  genvar f, q;
  generate
    for (f = 0; f < FUNCTIONS; f = f + 1) begin : gen_function
      for (q = 0; q < QUEUES; q = q + 1) begin : gen_queue
        assign active[f*QUEUES+q] = waits_reg[(f<<QUEUE_WIDTH)+q];
      end
    end
  endgenerate
  wire any;
  wire [FUNCTION_WIDTH-1:0] next_function;
  wire [QUEUE_WIDTH-1:0] next_queue;
  wire [COST_WIDTH-1:0] next_bytes;
  reg chosen_valid_reg;
  // A row that has just become empty is told to the scheduler first.
  reg emptied_reg;
  wire chooses = any && !chosen_valid_reg && !any_dirty && !picked_reg && !look_valid_reg && !emptied_reg;
  fair_scheduler #(
      .FUNCTIONS(FUNCTIONS),
      .FUNCTION_WIDTH(FUNCTION_WIDTH),
      .QUEUES(QUEUES),
      .QUEUE_WIDTH(QUEUE_WIDTH),
      .QUANTUM_SHIFT(QUANTUM_SHIFT)
  ) scheduler (
      .clk(clk),
      .rst(rst),
      .active(active),
      .cost_valid(look_valid_reg),
      .cost_function(look_row_reg[ROW_WIDTH-1-:FUNCTION_WIDTH]),
      .cost_queue(look_row_reg[QUEUE_WIDTH-1:0]),
      .cost(look_cost),
      .chosen_valid(any),
      .chosen_function(next_function),
      .chosen_queue(next_queue),
      .chosen_bytes(next_bytes),
      .select(chooses),
      .charge(chooses)
  );

  reg [  ROW_WIDTH-1:0] chosen_row_reg;
  reg [PLACE_WIDTH-1:0] chosen_number_reg;
  reg [ COST_WIDTH-1:0] chosen_bytes_reg;
  assign chosen_valid   = chosen_valid_reg;
  assign chosen_row     = chosen_row_reg;
  assign chosen_context = {chosen_row_reg[ROW_WIDTH-1-:FUNCTION_WIDTH], 1'b0, chosen_number_reg};
  assign chosen_bytes   = chosen_bytes_reg;

  always @(posedge clk) begin
    waits_reg <= (waits_reg & ~(empties ? chosen_bit : {ROWS{1'b0}})) | (push_valid ? push_bit : {ROWS{1'b0}});
    dirty_reg <= (dirty_reg & ~lowest) | (push_first && !passes ? push_bit : {ROWS{1'b0}}) |
        (take && !empties ? chosen_bit : {ROWS{1'b0}});
    if (push_valid) written_reg <= written_reg | push_bit;
    if (pops) read_reg <= read_reg | chosen_bit;

    picked_reg <= any_dirty;
    picked_row_reg <= dirty_row;
    look_valid_reg <= picked_reg || passes;
    look_row_reg <= fetch_row;
    passes_reg <= passes;
    passed_reg <= push_context[PLACE_WIDTH-1:0];

    if (chooses) begin
      chosen_row_reg <= {next_function, next_queue};
      chosen_number_reg <= head_memory[{next_function, next_queue}];
      chosen_bytes_reg <= next_bytes;
    end
    emptied_reg <= empties;
    chosen_valid_reg <= chooses || (chosen_valid_reg && !take);

    if (rst) begin
      waits_reg <= {ROWS{1'b0}};
      dirty_reg <= {ROWS{1'b0}};
      written_reg <= {ROWS{1'b0}};
      read_reg <= {ROWS{1'b0}};
      picked_reg <= 1'b0;
      look_valid_reg <= 1'b0;
      chosen_valid_reg <= 1'b0;
    end
  end

endmodule

`resetall
