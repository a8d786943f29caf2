// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// prp_walker: the host pages of commands that have passed their checks (NVMe 1.1 §4.3): those that stand in the SQE, and
// those of PRP lists, which it fetches.
//
// A command of up to two pages a set is walked in the cycle in which it starts. Of the others many are under way at once,
// each with one read at most, of what is missing, up to the end of the list's page or the largest read; the last entry of
// a page points to the next page when more is missing. Each step of a command is one event, one event a cycle: its start,
// or the end of its read. Entries go by themselves into `prp_memory`; here only what is wrong with them is noted, and
// where a list goes on.

`resetall
`timescale 1ns / 1ps
`default_nettype none

module prp_walker #(
    // Functions, and width of a function's number
    parameter FUNCTIONS = 7,
    parameter FUNCTION_WIDTH = 3,
    // Width of a context's number: {function, admin bit, number of 4 bits} (derived)
    parameter CONTEXT_WIDTH = FUNCTION_WIDTH + 5
) (
    input wire clk,
    input wire rst,

    // Functions whose commands fetch nothing any more
    input wire [FUNCTIONS-1:0] gone,
    // No read that was sent will end any more
    input wire                 forget,
    // Largest read in bytes
    input wire [         12:0] most_bytes,

    // A command, at most in every second cycle: whether its second half has data, too; length of a half; PRP2 and PRP1
    input wire                     start_valid,
    input wire [CONTEXT_WIDTH-1:0] start_context,
    input wire                     start_two_sets,
    input wire [             17:0] start_length,
    input wire [            127:0] start_prps,
    input wire [            127:0] start_second_prps,

    // What stands in the SQE, for the memory
    output wire                     head_valid,
    output wire [CONTEXT_WIDTH-1:0] head_context,
    output wire                     head_set,
    output wire                     head_listed,
    output wire [            103:0] head_pages,

    // A read of a list: from which dword of the context's room on its data belong
    output wire                     list_valid,
    input  wire                     list_ready,
    output wire [CONTEXT_WIDTH-1:0] list_context,
    output wire [             63:0] list_address,
    output wire [             12:0] list_bytes,
    output wire [              5:0] list_dword,

    // Entries that come, as for the memory
    input wire                     come_valid,
    input wire [CONTEXT_WIDTH-1:0] come_context,
    input wire [              2:0] come_word,
    input wire [            255:0] come_data,
    input wire [              7:0] come_lanes,
    input wire [              2:0] come_split,

    // A read has ended; another was not sent
    input wire                     end_valid,
    input wire [CONTEXT_WIDTH-1:0] end_context,
    input wire                     end_failed,
    input wire                     unsent_valid,
    input wire [CONTEXT_WIDTH-1:0] unsent_context,

    // The command's pages are known; or with which status it ends, or only its second half
    output wire                     walked_valid,
    input  wire                     walked_ready,
    output wire [CONTEXT_WIDTH-1:0] walked_context,
    output wire [             10:0] walked_status,
    output wire [             10:0] walked_second_status
);

  `include "nvme_defs.vh"

  // Contexts are counted without the admin bit.
  localparam NUMBER_WIDTH = CONTEXT_WIDTH - 1;
  localparam CONTEXTS = 1 << NUMBER_WIDTH;
  // What a command has come to: {half, why}
  localparam [1:0] SOUND = 2'd0;
  localparam [1:0] INVALID = 2'd1;
  localparam [1:0] LOST = 2'd2;

  function [10:0] status_of(input [1:0] why);
    case (why)
      SOUND:   status_of = STATUS_SUCCESS;
      INVALID: status_of = STATUS_INVALID_FIELD;
      default: status_of = STATUS_DATA_TRANSFER_ERROR;
    endcase
  endfunction

  // The start: entries of both sets
  wire [NUMBER_WIDTH-1:0] start_number = {start_context[CONTEXT_WIDTH-1:5], start_context[3:0]};
  wire [17:0] first_end = {6'd0, start_prps[11:0]} + start_length + 18'd4095;
  wire [17:0] second_end = {6'd0, start_second_prps[11:0]} + start_length + 18'd4095;
  wire [5:0] first_entries = first_end[17:12];
  wire [5:0] second_entries = second_end[17:12];
  wire first_listed = first_entries > 6'd2;
  wire second_listed = start_two_sets && second_entries > 6'd2;
  wire starts_short = start_valid && !first_listed && !second_listed;
  wire starts_long = start_valid && !starts_short;

  // The second set's head is written a cycle after the first's.
  reg second_valid_reg, second_listed_reg;
  reg [CONTEXT_WIDTH-1:0] second_context_reg;
  reg [103:0] second_pages_reg;
  always @(posedge clk) begin
    second_valid_reg   <= start_valid && start_two_sets && !rst;
    second_listed_reg  <= second_listed;
    second_context_reg <= start_context;
    second_pages_reg   <= {start_second_prps[127:76], start_second_prps[63:12]};
  end
  assign head_valid   = start_valid || second_valid_reg;
  assign head_context = second_valid_reg ? second_context_reg : start_context;
  assign head_set     = second_valid_reg;
  assign head_listed  = second_valid_reg ? second_listed_reg : first_listed;
  assign head_pages   = second_valid_reg ? second_pages_reg : {start_prps[127:76], start_prps[63:12]};

  // Of each command: the second set's list, as long as the first set is walked: {there is one, entries, address}
  reg [67:0] second_memory[0:CONTEXTS-1];
  // Where it is: {set, entries, entries known, address of the rest of the list}
  localparam STATE_WIDTH = 1 + 6 + 6 + 61;
  reg [STATE_WIDTH-1:0] state_memory[0:CONTEXTS-1];
  // Its read: {entries, the last one is a pointer}
  reg [6:0] chunk_memory[0:CONTEXTS-1];
  // The pointer's entry within the context's room, and the pointer once it has come
  reg [5:0] pointer_place_memory[0:CONTEXTS-1];
  reg [19:0] pointer_low_memory[0:CONTEXTS-1];
  reg [31:0] pointer_high_memory[0:CONTEXTS-1];
  // Reads under way, those that will not end, and those with an entry that is none
  reg [CONTEXTS-1:0] outstanding_reg, lost_reg, invalid_reg;

  // Commands whose read is to be sent
  wire waits, request_free;
  wire [NUMBER_WIDTH-1:0] next_number;
  wire wait_push;
  wire [NUMBER_WIDTH-1:0] wait_number;
  sync_fifo #(
      .WIDTH(NUMBER_WIDTH),
      .DEPTH_WIDTH(NUMBER_WIDTH)
  ) waiting (
      .clk(clk),
      .rst(rst),
      .push_valid(wait_push),
      .push_entry(wait_number),
      .valid(waits),
      .entry(next_number),
      .pop(request_free)
  );

  // The read: what is missing, but no more than the list's page has, and than one read takes
  wire next_set;
  wire [5:0] next_entries, next_known;
  wire [60:0] next_list;
  assign {next_set, next_entries, next_known, next_list} = state_memory[next_number];
  wire [5:0] missing = next_entries - next_known;
  wire [9:0] in_page = 10'd512 - {1'b0, next_list[8:0]};
  wire [9:0] most_entries = most_bytes[12:3];
  wire page_is_short = in_page < {4'd0, missing};
  wire [5:0] wanted = page_is_short ? in_page[5:0] : missing;
  wire cut = most_entries < {4'd0, wanted};
  wire [5:0] entries = cut ? most_entries[5:0] : wanted;
  wire [4:0] known_place = next_known[4:0] - 5'd1;
  wire [4:0] first_entry = known_place | {next_set, 4'd0};
  wire [4:0] last_entry = first_entry + entries[4:0] - 5'd1;

  reg request_reg;
  reg [NUMBER_WIDTH-1:0] request_number_reg;
  reg [60:0] request_list_reg;
  reg [5:0] request_entries_reg;
  reg [4:0] request_first_reg;
  wire [FUNCTION_WIDTH-1:0] request_function = request_number_reg[NUMBER_WIDTH-1:4];
  wire request_gone = request_reg && gone[request_function];
  wire drop;
  assign request_free = !request_reg || (list_valid && list_ready) || drop;
  assign list_valid   = request_reg && !request_gone;
  assign list_context = {request_function, 1'b0, request_number_reg[3:0]};
  assign list_address = {request_list_reg, 3'd0};
  assign list_bytes   = {4'd0, request_entries_reg, 3'd0};
  assign list_dword   = {request_first_reg, 1'b0};

  // Entries that come: none has an offset. The pointer is caught as it passes, each half of it by itself.
  wire [NUMBER_WIDTH-1:0] come_number = {come_context[CONTEXT_WIDTH-1:5], come_context[3:0]};
  wire come_pointer;
  wire [4:0] come_place;
  assign {come_pointer, come_place} = pointer_place_memory[come_number];
  wire [2:0] low_lane = {come_place[1:0], 1'b0};
  wire [2:0] high_lane = {come_place[1:0], 1'b1};
  wire [2:0] low_word = come_word + {2'd0, low_lane < come_split};
  wire [2:0] high_word = come_word + {2'd0, high_lane < come_split};
  wire come_low = come_valid && come_pointer && come_lanes[low_lane] && low_word == come_place[4:2];
  wire come_high = come_valid && come_pointer && come_lanes[high_lane] && high_word == come_place[4:2];
  reg come_invalid;
  integer k;
  always @* begin
    come_invalid = 1'b0;
    for (k = 0; k < 8; k = k + 2) if (come_lanes[k] && come_data[32*k+:12] != 12'd0) come_invalid = 1'b1;
  end

  // Ends of reads, each told once
  wire [NUMBER_WIDTH-1:0] end_number = {end_context[CONTEXT_WIDTH-1:5], end_context[3:0]};
  wire [NUMBER_WIDTH-1:0] unsent_number = {unsent_context[CONTEXT_WIDTH-1:5], unsent_context[3:0]};
  wire end_counts = end_valid && outstanding_reg[end_number];
  wire unsent_counts = unsent_valid && outstanding_reg[unsent_number];
  wire ended, unsent, pop_ended, pop_unsent, ended_failed;
  wire [NUMBER_WIDTH-1:0] ended_number, unsent_head;
  sync_fifo #(
      .WIDTH(NUMBER_WIDTH + 1),
      .DEPTH_WIDTH(NUMBER_WIDTH)
  ) ends (
      .clk(clk),
      .rst(rst),
      .push_valid(end_counts),
      .push_entry({end_failed, end_number}),
      .valid(ended),
      .entry({ended_failed, ended_number}),
      .pop(pop_ended)
  );
  sync_fifo #(
      .WIDTH(NUMBER_WIDTH),
      .DEPTH_WIDTH(NUMBER_WIDTH)
  ) unsents (
      .clk(clk),
      .rst(rst),
      .push_valid(unsent_counts),
      .push_entry(unsent_number),
      .valid(unsent),
      .entry(unsent_head),
      .pop(pop_unsent)
  );
  // Reads that will not end are looked for one by one.
  reg [NUMBER_WIDTH-1:0] lost_number_reg;
  wire any_lost = |lost_reg;
  wire is_lost = any_lost && lost_reg[lost_number_reg];

  // The event of this cycle, when no command starts
  wire may_step = !start_valid;
  assign pop_ended = may_step && ended;
  assign pop_unsent = may_step && !ended && unsent;
  assign drop = may_step && !ended && !unsent && request_gone;
  wire pop_lost = may_step && !ended && !unsent && !request_gone && is_lost;
  wire steps = pop_ended || pop_unsent || drop || pop_lost;
  wire [NUMBER_WIDTH-1:0] number = ended ? ended_number : unsent ? unsent_head :
      request_gone ? request_number_reg : lost_number_reg;

  wire set;
  wire [5:0] set_entries, known;
  wire [60:0] list;
  assign {set, set_entries, known, list} = state_memory[number];
  wire [5:0] fetched;
  wire chains;
  assign {fetched, chains} = chunk_memory[number];
  wire second_there;
  wire [5:0] set_2_entries;
  wire [60:0] second_list;
  assign {second_there, set_2_entries, second_list} = second_memory[number];
  // Only functions that are gone have reads that do not end.
  wire is_gone = !pop_ended || gone[number[NUMBER_WIDTH-1:4]];
  wire fails = ended_failed || is_gone;
  wire invalid = invalid_reg[number];
  wire [5:0] known_after = known + fetched - {5'd0, chains};
  wire [60:0] list_after = chains ? {pointer_high_memory[number], pointer_low_memory[number], 9'd0} :
      list + {55'd0, fetched};
  wire goes_on = !fails && !invalid && known_after != set_entries;
  wire goes_to_second = !fails && !invalid && known_after == set_entries && !set && second_there;
  wire [1:0] outcome = fails ? LOST : invalid ? INVALID : SOUND;
  wire done = steps && !goes_on && !goes_to_second;

  assign wait_push   = starts_long || (steps && (goes_on || goes_to_second));
  assign wait_number = start_valid ? start_number : number;
  wire [STATE_WIDTH-1:0] state_first = {1'b0, first_entries, 6'd1, start_prps[127:67]};
  wire [STATE_WIDTH-1:0] state_second = {1'b1, second_entries, 6'd1, start_second_prps[127:67]};
  wire [STATE_WIDTH-1:0] state_start = first_listed ? state_first : state_second;
  wire [STATE_WIDTH-1:0] state_step = goes_to_second ? {1'b1, set_2_entries, 6'd1, second_list} :
      {set, set_entries, known_after, list_after};

  // What was walked; one that comes to an empty FIFO passes it by.
  wire done_waits, done_push;
  wire [NUMBER_WIDTH+3:0] done_entry, done_head, start_entry;
  assign start_entry = {start_number, SOUND, SOUND};
  assign done_entry = starts_short ? start_entry :
      {number, set && !is_gone ? SOUND : outcome, set && !is_gone ? outcome : SOUND};
  assign done_push = done || (starts_short && (done_waits || !walked_ready));
  sync_fifo #(
      .WIDTH(NUMBER_WIDTH + 4),
      .DEPTH_WIDTH(NUMBER_WIDTH)
  ) walked (
      .clk(clk),
      .rst(rst),
      .push_valid(done_push),
      .push_entry(done_entry),
      .valid(done_waits),
      .entry(done_head),
      .pop(walked_ready)
  );
  wire [NUMBER_WIDTH+3:0] shown = done_waits ? done_head : start_entry;
  assign walked_valid = done_waits || starts_short;
  assign walked_context = {shown[NUMBER_WIDTH+3-:FUNCTION_WIDTH], 1'b0, shown[7:4]};
  assign walked_status = status_of(shown[3:2]);
  assign walked_second_status = status_of(shown[1:0]);

  always @(posedge clk) begin
    if (starts_long)
      second_memory[start_number] <= {first_listed && second_listed, second_entries, start_second_prps[127:67]};
    if (wait_push) state_memory[wait_number] <= start_valid ? state_start : state_step;

    if (request_free) begin
      request_reg <= waits;
      request_number_reg <= next_number;
      request_list_reg <= next_list;
      request_entries_reg <= entries;
      request_first_reg <= first_entry;
    end
    if (request_free && waits) begin
      chunk_memory[next_number] <= {entries, page_is_short && !cut};
      pointer_place_memory[next_number] <= {page_is_short && !cut, last_entry};
      invalid_reg[next_number] <= 1'b0;
    end
    if (come_low) pointer_low_memory[come_number] <= come_data[{low_lane, 5'd12}+:20];
    if (come_high) pointer_high_memory[come_number] <= come_data[{high_lane, 5'd0}+:32];
    if (come_valid && come_invalid) invalid_reg[come_number] <= 1'b1;

    if (forget) begin
      outstanding_reg <= {CONTEXTS{1'b0}};
      lost_reg <= lost_reg | outstanding_reg;
    end
    if (end_counts) begin
      outstanding_reg[end_number] <= 1'b0;
      lost_reg[end_number] <= 1'b0;
    end
    if (unsent_counts) begin
      outstanding_reg[unsent_number] <= 1'b0;
      lost_reg[unsent_number] <= 1'b0;
    end
    if (list_valid && list_ready) outstanding_reg[request_number_reg] <= 1'b1;
    if (any_lost && !(is_lost && !pop_lost)) lost_number_reg <= lost_number_reg + 1'b1;
    if (pop_lost) lost_reg[lost_number_reg] <= 1'b0;

    if (rst) begin
      request_reg <= 1'b0;
      outstanding_reg <= {CONTEXTS{1'b0}};
      lost_reg <= {CONTEXTS{1'b0}};
      lost_number_reg <= {NUMBER_WIDTH{1'b0}};
    end
  end

endmodule

`resetall
