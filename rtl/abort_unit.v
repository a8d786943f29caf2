// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// abort_unit: Abort (NVMe 1.1 §5.1), one at a time: best effort, but what it says is true.
//
// The command is looked for from the Abort's decoding on, so that its place is known when the Abort's time has come. An
// event request that is held, or a command that waits in its SQE FIFO, ends at once if its completion queue has a slot.
// One in flight ends when what is under way of it has ended, if nothing of it has reached host or medium.

`resetall
`timescale 1ns / 1ps
`default_nettype none

module abort_unit #(
    // Functions, and width of a function's number
    parameter FUNCTIONS = 7,
    parameter FUNCTION_WIDTH = 3,
    // Width of a queue's, a row's and a context's number
    parameter QUEUE_WIDTH = 3,
    parameter ROW_WIDTH = FUNCTION_WIDTH + QUEUE_WIDTH,
    parameter CONTEXT_WIDTH = FUNCTION_WIDTH + 5
) (
    input wire clk,
    input wire rst,

    // Functions that lose their commands
    input wire [FUNCTIONS-1:0] clear,

    // An Abort has been decoded: it is prepared, if no other is
    input  wire                      start_valid,
    input  wire [FUNCTION_WIDTH-1:0] start_function,
    input  wire [              15:0] start_queue_id,
    input  wire [              15:0] start_id,
    // The Abort of this function is to be done now; asked for until it is `done`, in turns with other functions
    input  wire                      go_valid,
    input  wire [FUNCTION_WIDTH-1:0] go_function,
    input  wire [              15:0] go_queue_id,
    input  wire [              15:0] go_id,
    output wire                      done,
    // It has aborted nothing
    output wire                      failed,
    // The admin command of this function is over
    input  wire                      over_valid,

    // Whole SQEs in the FIFO of a queue; its completion queue has a slot
    output wire [ROW_WIDTH-1:0] search_row,
    input  wire [         15:0] search_there,
    input  wire                 search_room,

    // What comes into FIFOs and contexts, and leaves them: see command_finder
    input  wire                     come_valid,
    input  wire [    ROW_WIDTH-1:0] come_row,
    input  wire [              3:0] come_slot,
    input  wire [             15:0] come_id,
    input  wire                     pop_valid,
    input  wire                     pop_two,
    input  wire [    ROW_WIDTH-1:0] pop_row,
    input  wire [              3:0] pop_slot,
    output wire [              1:0] pop_aborted,
    input  wire [CONTEXT_WIDTH-1:0] look_context,
    output wire [              1:0] look_aborted,
    input  wire                     decoded_valid,
    input  wire [CONTEXT_WIDTH-1:0] decoded_context,
    input  wire [    ROW_WIDTH-1:0] decoded_row,
    input  wire                     decoded_two,
    input  wire [             15:0] decoded_id,
    input  wire [             15:0] decoded_second_id,
    input  wire [              1:0] decoded_aborted,
    input  wire                     free_valid,
    input  wire [CONTEXT_WIDTH-1:0] free_context,

    // A held event request of that identifier is looked for; taken out
    output wire                      withdraw_valid,
    output wire [FUNCTION_WIDTH-1:0] withdraw_function,
    output wire [              15:0] withdraw_id,
    input  wire                      withdraw_known,
    input  wire                      withdraw_found,
    output wire                      withdraw_take,

    // A CQE with Abort Requested for a command that has no context
    output wire                 post_valid,
    input  wire                 post_ready,
    output wire [ROW_WIDTH-1:0] post_row,
    output wire [         15:0] post_id,

    // Aborts a command in flight, or the second half of a pair: taken when it will end so
    output wire                     abort_valid,
    input  wire                     abort_ready,
    output wire [CONTEXT_WIDTH-1:0] abort_context,
    output wire                     abort_second,
    input  wire                     abort_taken
);

  localparam [2:0] IDLE = 3'd0;
  localparam [2:0] SEARCHES = 3'd1;
  localparam [2:0] ENDING = 3'd2;
  localparam [2:0] ABORTED = 3'd3;
  localparam [2:0] FAILED = 3'd4;

  reg [2:0] state_reg;
  reg [FUNCTION_WIDTH-1:0] function_reg;
  reg [15:0] queue_id_reg, id_reg;
  reg [CONTEXT_WIDTH-1:0] context_reg;

  reg go_reg;
  wire mine = go_valid && go_function == function_reg;
  wire acts = state_reg == SEARCHES && (mine || go_reg);
  wire of_admin_queue = queue_id_reg == 16'd0;
  assign search_row = {function_reg, queue_id_reg[QUEUE_WIDTH-1:0]};

  wire begins = state_reg == IDLE && (start_valid || go_valid);
  wire settled, in_fifo, mark_ready, in_context, found_second;
  wire [CONTEXT_WIDTH-1:0] found_context;
  command_finder #(
      .FUNCTION_WIDTH(FUNCTION_WIDTH),
      .QUEUE_WIDTH(QUEUE_WIDTH)
  ) finder (
      .clk(clk),
      .rst(rst),
      .come_valid(come_valid),
      .come_row(come_row),
      .come_slot(come_slot),
      .come_id(come_id),
      .pop_valid(pop_valid),
      .pop_two(pop_two),
      .pop_row(pop_row),
      .pop_slot(pop_slot),
      .pop_aborted(pop_aborted),
      .decoded_valid(decoded_valid),
      .decoded_context(decoded_context),
      .decoded_row(decoded_row),
      .decoded_two(decoded_two),
      .decoded_id(decoded_id),
      .decoded_second_id(decoded_second_id),
      .decoded_aborted(decoded_aborted),
      .free_valid(free_valid),
      .free_context(free_context),
      .begin_valid(begins),
      .row(search_row),
      .id(id_reg),
      .there(search_there),
      .settled(settled),
      .in_fifo(in_fifo),
      .mark_valid(post_valid && post_ready && !of_admin_queue),
      .mark_ready(mark_ready),
      .in_context(in_context),
      .found_context(found_context),
      .found_second(found_second)
  );

  // Halves of a command in a context that have got their CQEs
  reg [1:0] aborted_memory[0:(1<<CONTEXT_WIDTH)-1];
  always @(posedge clk) if (decoded_valid) aborted_memory[decoded_context] <= decoded_aborted;
  assign look_aborted = look_context[4] ? 2'b00 : aborted_memory[look_context];

  assign withdraw_valid = acts && of_admin_queue;
  assign withdraw_function = function_reg;
  assign withdraw_id = id_reg;
  assign withdraw_take = withdraw_valid && post_valid && post_ready;

  // A place is known, and whether something can be done about it
  wire held = of_admin_queue && withdraw_known && withdraw_found;
  wire waits = !of_admin_queue && settled && in_fifo;
  wire runs = !of_admin_queue && settled && !in_fifo && in_context;
  wire nowhere = of_admin_queue ? withdraw_known && !withdraw_found : settled && !in_fifo && !in_context;
  // A slot that the dispatcher takes in this cycle is not there any more.
  assign post_valid = acts && search_room && !pop_valid && (held || (waits && mark_ready));
  assign post_row = search_row;
  assign post_id = id_reg;
  assign abort_valid = acts && runs;
  assign abort_context = found_context;
  assign abort_second = found_second;

  wire finished = state_reg == ABORTED || state_reg == FAILED;
  assign done   = finished && mine;
  assign failed = state_reg == FAILED;

  always @(posedge clk) begin
    go_reg <= acts;
    case (state_reg)
      IDLE:
      if (begins) begin
        state_reg <= SEARCHES;
        function_reg <= start_valid ? start_function : go_function;
        queue_id_reg <= start_valid ? start_queue_id : go_queue_id;
        id_reg <= start_valid ? start_id : go_id;
      end
      SEARCHES:
      if (acts) begin
        if (post_valid && post_ready) state_reg <= ABORTED;
        else if (nowhere || ((held || waits) && !search_room)) state_reg <= FAILED;
        else if (abort_valid && abort_ready) begin
          state_reg   <= abort_taken ? ENDING : FAILED;
          context_reg <= found_context;
        end
      end
      ENDING:  if (free_valid && free_context == context_reg) state_reg <= ABORTED;
      default: ;
    endcase
    if (rst || (state_reg != IDLE && (clear[function_reg] || (over_valid && go_function == function_reg))))
      state_reg <= IDLE;
  end

endmodule

`resetall
