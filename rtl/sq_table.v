// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// sq_table: the rows of all submission queues, and the engine that fetches SQEs for them.
//
// A row is {function, queue}. A tail doorbell is applied in its cycle. A queue wants SQEs when its FIFO of 16 is empty,
// or holds nothing but the first half of a fused pair; all it can take are then one batch, asked for in reads that end at
// the ring's end, at 4 KiB and at `fetch_most`, one read a cycle, round robin over functions, then queues.

`resetall
`timescale 1ns / 1ps
`default_nettype none

module sq_table #(
    // Functions, and width of a function's number
    parameter FUNCTIONS = 7,
    parameter FUNCTION_WIDTH = 3,
    // Queues of a function, the admin queue included, and width of a queue's number
    parameter QUEUES = 5,
    parameter QUEUE_WIDTH = 3,
    // Width of a row's number (derived)
    parameter ROW_WIDTH = FUNCTION_WIDTH + QUEUE_WIDTH
) (
    input wire clk,
    input wire rst,

    // Functions that take new commands; functions that lose all of their queues
    input wire [FUNCTIONS-1:0] runs,
    input wire [FUNCTIONS-1:0] clear,

    // A tail doorbell, in this cycle
    input  wire                 tail_valid,
    input  wire [ROW_WIDTH-1:0] tail_row,
    input  wire [         31:0] tail_value,
    // It names no queue, or nothing that can be
    output wire                 tail_wrong_queue,
    output wire                 tail_wrong_value,

    // Makes a queue
    input  wire                   create_valid,
    input  wire [  ROW_WIDTH-1:0] create_row,
    input  wire [           63:0] create_address,
    input  wire [           15:0] create_last,
    input  wire [QUEUE_WIDTH-1:0] create_completion_queue,
    // Deletes one: first what has not been started is dropped, then the queue goes
    input  wire                   drop_valid,
    input  wire                   remove_valid,
    input  wire [  ROW_WIDTH-1:0] delete_row,
    output wire                   delete_empty,

    // A read of SQEs for the host of a function
    output wire                 fetch_valid,
    input  wire                 fetch_ready,
    output wire [ROW_WIDTH-1:0] fetch_row,
    output wire [          3:0] fetch_slot,
    output wire [         63:0] fetch_address,
    output wire [          4:0] fetch_count,
    input  wire [          4:0] fetch_most,

    // A whole SQE has come into its slot
    input wire                 here_valid,
    input wire [ROW_WIDTH-1:0] here_row,
    input wire [          3:0] here_slot,
    // The fuse field of an SQE has come
    input wire                 fuse_valid,
    input wire [          3:0] fuse_slot,
    input wire [          1:0] fuse_value,
    // A read of SQEs has ended
    input wire                 end_valid,
    input wire [ROW_WIDTH-1:0] end_row,

    // Head of each FIFO, by row: something can go; it is a pair; it is half a pair without the other
    output reg [(1<<ROW_WIDTH)-1:0] head_ready,
    output reg [(1<<ROW_WIDTH)-1:0] head_pair,
    output reg [(1<<ROW_WIDTH)-1:0] head_orphan,
    output reg [(1<<ROW_WIDTH)-1:0] live,

    // Takes one SQE, or two, out of a FIFO; a command of the queue has ended
    input  wire                   pop_valid,
    input  wire                   pop_two,
    input  wire [  ROW_WIDTH-1:0] pop_row,
    output wire [            3:0] pop_slot,
    input  wire                   done_valid,
    input  wire [  ROW_WIDTH-1:0] done_row,
    // Completion queue of the row to take from, and of every row
    output wire [QUEUE_WIDTH-1:0] pop_completion_queue,

    // What a CQE says of the queue
    input  wire [  ROW_WIDTH-1:0] look_row,
    output wire [           15:0] look_head,
    output wire [QUEUE_WIDTH-1:0] look_completion_queue,

    // Completion queues of all rows, side by side
    output wire [(1<<ROW_WIDTH)*QUEUE_WIDTH-1:0] completion_queues
);

  localparam ROWS = 1 << ROW_WIDTH;
  localparam [1:0] FUSE_FIRST = 2'd1;
  localparam [1:0] FUSE_SECOND = 2'd2;

  // A row
  reg [63:0] address_reg[0:ROWS-1];
  reg [15:0] last_reg[0:ROWS-1];
  reg [QUEUE_WIDTH-1:0] completion_queue_reg[0:ROWS-1];
  reg [15:0] tail_reg[0:ROWS-1];
  reg [15:0] fetch_reg[0:ROWS-1];
  reg [15:0] head_reg[0:ROWS-1];
  reg [4:0] batch_reg[0:ROWS-1];
  reg [4:0] used_reg[0:ROWS-1];
  reg [3:0] first_reg[0:ROWS-1];
  reg [4:0] reads_reg[0:ROWS-1];
  reg [4:0] in_flight_reg[0:ROWS-1];
  reg [15:0] there_reg[0:ROWS-1];
  reg [31:0] fuse_reg[0:ROWS-1];
  reg [ROWS-1:0] live_reg, deleting_reg;

  // Slots from one to the other, going around
  function [15:0] distance(input [15:0] from, input [15:0] to, input [15:0] last);
    distance = to >= from ? to - from : to - from + last + 16'd1;
  endfunction

  // Tail doorbell
  wire [15:0] tail_last = last_reg[tail_row];
  wire tail_live = live_reg[tail_row] && !deleting_reg[tail_row];
  wire [15:0] tail_before = distance(head_reg[tail_row], tail_reg[tail_row], tail_last);
  wire [15:0] tail_after = distance(head_reg[tail_row], tail_value[15:0], tail_last);
  wire tail_in_ring = tail_value[31:16] == 16'd0 && tail_value[15:0] <= tail_last;
  wire tail_good = tail_live && tail_in_ring && tail_after > tail_before;
  assign tail_wrong_queue = tail_valid && !tail_live;
  assign tail_wrong_value = tail_valid && tail_live && !tail_good;

  // Who wants SQEs, and what stands at each head
  reg [ROWS-1:0] wants;
  reg [FUNCTIONS-1:0] function_wants;
  integer r;
  reg [3:0] second_slot;
  reg [1:0] first_fuse, second_fuse;
  reg first_there, second_there;
  always @* begin
    wants = {ROWS{1'b0}};
    head_ready = {ROWS{1'b0}};
    head_pair = {ROWS{1'b0}};
    head_orphan = {ROWS{1'b0}};
    live = live_reg & ~deleting_reg;
    function_wants = {FUNCTIONS{1'b0}};
    second_slot = 4'd0;
    first_fuse = 2'd0;
    second_fuse = 2'd0;
    first_there = 1'b0;
    second_there = 1'b0;
    for (r = 0; r < ROWS; r = r + 1)
    if (live_reg[r]) begin
      second_slot = first_reg[r] + 4'd1;
      first_there = there_reg[r][first_reg[r]];
      second_there = there_reg[r][second_slot];
      first_fuse = r % (1 << QUEUE_WIDTH) == 0 ? 2'd0 : fuse_reg[r][{first_reg[r], 1'b0}+:2];
      second_fuse = fuse_reg[r][{second_slot, 1'b0}+:2];
      head_pair[r] = first_there && second_there && first_fuse == FUSE_FIRST && second_fuse == FUSE_SECOND;
      head_orphan[r] = first_there && (first_fuse == FUSE_SECOND ||
            (first_fuse == FUSE_FIRST && second_there && second_fuse != FUSE_SECOND));
      head_ready[r] = first_there && (first_fuse != FUSE_FIRST || second_there);
      wants[r] = runs[r>>QUEUE_WIDTH] && !deleting_reg[r] && (batch_reg[r] != 5'd0 || (tail_reg[r] != fetch_reg[r] &&
            (used_reg[r] == 5'd0 || (used_reg[r] == 5'd1 && first_there && first_fuse == FUSE_FIRST))));
      if (wants[r]) function_wants[r>>QUEUE_WIDTH] = 1'b1;
    end
  end

  // Round robin over functions, then queues; a batch is asked for as a whole
  reg [FUNCTION_WIDTH-1:0] from_function_reg;
  reg [QUEUE_WIDTH-1:0] from_queue_reg[0:FUNCTIONS-1];
  wire [FUNCTION_WIDTH-1:0] chosen_function;
  wire [QUEUE_WIDTH-1:0] chosen_queue;
  wire any_wants, queue_valid;

  round_robin #(
      .COUNT(FUNCTIONS),
      .WIDTH(FUNCTION_WIDTH)
  ) function_turn (
      .request(function_wants),
      .from(from_function_reg),
      .chosen(chosen_function),
      .valid(any_wants)
  );

  wire [(1<<QUEUE_WIDTH)-1:0] queue_wants = wants[{chosen_function, {QUEUE_WIDTH{1'b0}}}+:(1<<QUEUE_WIDTH)];
  round_robin #(
      .COUNT(1 << QUEUE_WIDTH),
      .WIDTH(QUEUE_WIDTH)
  ) queue_turn (
      .request(queue_wants),
      .from(from_queue_reg[chosen_function]),
      .chosen(chosen_queue),
      .valid(queue_valid)
  );

  wire [ROW_WIDTH-1:0] row = {chosen_function, chosen_queue};
  wire [15:0] unfetched = distance(fetch_reg[row], tail_reg[row], last_reg[row]);
  wire [4:0] room = 5'd16 - used_reg[row];
  wire [4:0] new_batch = unfetched < {11'd0, room} ? unfetched[4:0] : room;
  wire [4:0] batch = batch_reg[row] != 5'd0 ? batch_reg[row] : new_batch;
  wire [63:0] address = address_reg[row] + {42'd0, fetch_reg[row], 6'd0};
  wire [6:0] page_left = 7'd64 - {1'b0, address[11:6]};
  wire [15:0] ring_left = last_reg[row] - fetch_reg[row] + 16'd1;

  wire [4:0] count_mrrs = batch < fetch_most ? batch : fetch_most;
  wire [4:0] count_page = {2'd0, count_mrrs} < page_left ? count_mrrs : page_left[4:0];
  wire [4:0] count = {11'd0, count_page} < ring_left ? count_page : ring_left[4:0];

  assign fetch_valid = any_wants && queue_valid;
  assign fetch_row = row;
  assign fetch_slot = first_reg[row] + used_reg[row][3:0];
  assign fetch_address = address;
  assign fetch_count = count;
  wire fetch_taken = fetch_valid && fetch_ready;

  assign pop_slot = first_reg[pop_row];
  assign pop_completion_queue = completion_queue_reg[pop_row];
  assign look_head = head_reg[look_row];
  assign look_completion_queue = completion_queue_reg[look_row];
  assign delete_empty = in_flight_reg[delete_row] == 5'd0 && reads_reg[delete_row] == 5'd0;

  genvar g;
  generate
    for (g = 0; g < ROWS; g = g + 1) begin : gen_completion_queues
      assign completion_queues[g*QUEUE_WIDTH+:QUEUE_WIDTH] = completion_queue_reg[g];
    end
    if (QUEUES < 2 || QUEUES > 17) begin : gen_queues_check
      QUEUES_must_be_2_to_17 check ();
    end
  endgenerate

  // The head after one or two more
  wire [15:0] head_one = head_reg[pop_row] == last_reg[pop_row] ? 16'd0 : head_reg[pop_row] + 16'd1;
  wire [15:0] head_two = head_one == last_reg[pop_row] ? 16'd0 : head_one + 16'd1;
  wire [15:0] fetch_sum = fetch_reg[row] + {11'd0, count};
  wire [15:0] taken_slots = pop_two ? 16'd3 << 0 : 16'd1;
  wire [31:0] taken_double = {16'd0, taken_slots} << first_reg[pop_row];

  integer q;
  always @(posedge clk) begin
    if (tail_valid && tail_good) tail_reg[tail_row] <= tail_value[15:0];

    for (q = 0; q < ROWS; q = q + 1) begin
      // What has come, and what is taken
      there_reg[q] <= (there_reg[q] |
          (here_valid && here_row == q[ROW_WIDTH-1:0] ? 16'd1 << here_slot : 16'd0)) &
          ~(pop_valid && pop_row == q[ROW_WIDTH-1:0] ? taken_double[15:0] | taken_double[31:16] : 16'd0);
      used_reg[q] <= used_reg[q] + (fetch_taken && row == q[ROW_WIDTH-1:0] ? count : 5'd0) -
          (pop_valid && pop_row == q[ROW_WIDTH-1:0] ? (pop_two ? 5'd2 : 5'd1) : 5'd0);
      reads_reg[q] <= reads_reg[q] + {4'd0, fetch_taken && row == q[ROW_WIDTH-1:0]} -
          {4'd0, end_valid && end_row == q[ROW_WIDTH-1:0]};
      in_flight_reg[q] <= in_flight_reg[q] + {4'd0, pop_valid && pop_row == q[ROW_WIDTH-1:0]} -
          {4'd0, done_valid && done_row == q[ROW_WIDTH-1:0]};
    end
    if (fuse_valid) fuse_reg[here_row][{fuse_slot, 1'b0}+:2] <= fuse_value;

    if (fetch_taken) begin
      fetch_reg[row] <= fetch_sum > last_reg[row] ? fetch_sum - last_reg[row] - 16'd1 : fetch_sum;
      batch_reg[row] <= batch - count;
      if (batch == count) begin
        from_queue_reg[chosen_function] <= chosen_queue + 1'b1;
        from_function_reg <= chosen_function == FUNCTIONS[FUNCTION_WIDTH-1:0] - 1'b1 ? {FUNCTION_WIDTH{1'b0}} :
            chosen_function + 1'b1;
      end else begin
        from_queue_reg[chosen_function] <= chosen_queue;
        from_function_reg <= chosen_function;
      end
    end

    if (pop_valid) begin
      first_reg[pop_row] <= first_reg[pop_row] + (pop_two ? 4'd2 : 4'd1);
      head_reg[pop_row]  <= pop_two ? head_two : head_one;
    end

    if (create_valid) begin
      live_reg[create_row] <= 1'b1;
      deleting_reg[create_row] <= 1'b0;
      address_reg[create_row] <= create_address;
      last_reg[create_row] <= create_last;
      completion_queue_reg[create_row] <= create_completion_queue;
      tail_reg[create_row] <= 16'd0;
      fetch_reg[create_row] <= 16'd0;
      head_reg[create_row] <= 16'd0;
      batch_reg[create_row] <= 5'd0;
      used_reg[create_row] <= 5'd0;
      first_reg[create_row] <= 4'd0;
      reads_reg[create_row] <= 5'd0;
      in_flight_reg[create_row] <= 5'd0;
      there_reg[create_row] <= 16'd0;
    end
    if (drop_valid) begin
      deleting_reg[delete_row] <= 1'b1;
      there_reg[delete_row] <= 16'd0;
    end
    if (remove_valid) live_reg[delete_row] <= 1'b0;

    for (q = 0; q < ROWS; q = q + 1) begin
      if (rst || (q >> QUEUE_WIDTH < FUNCTIONS && clear[q>>QUEUE_WIDTH])) begin
        live_reg[q] <= 1'b0;
        deleting_reg[q] <= 1'b0;
        there_reg[q] <= 16'd0;
        used_reg[q] <= 5'd0;
        reads_reg[q] <= 5'd0;
        in_flight_reg[q] <= 5'd0;
        batch_reg[q] <= 5'd0;
      end
    end
    if (rst) begin
      from_function_reg <= {FUNCTION_WIDTH{1'b0}};
      for (q = 0; q < FUNCTIONS; q = q + 1) from_queue_reg[q] <= {QUEUE_WIDTH{1'b0}};
    end
  end

endmodule

`resetall
