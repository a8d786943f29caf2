// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// read_path: from the medium, for commands that hold their lock: Reads to staging buffers, compares to the comparator.
//
// Granules (a Read's is what goes into one host page, a compare's is 4 KiB) go in fair turns of functions and queues. A
// granule takes a staging buffer, is read by one AXI burst (two where it crosses 4 KiB of the medium) whose ID is the
// buffer's number, and a Read's is told to the sender a cycle later, in order. R is always taken. A Read's lock goes with
// its last R; a compare's outcome is told two cycles after it.
//
// After a bad RRESP, or when its function is gone, nothing more of a command is asked for; the sender drops what it has
// of a Read, and when nothing of it is left it ends by `read_failed` (and not by what the sender tells).

`resetall
`timescale 1ns / 1ps
`default_nettype none

module read_path #(
    // Functions, and width of a function's number
    parameter FUNCTIONS = 7,
    parameter FUNCTION_WIDTH = 3,
    // Queues of each function, and width of a queue's number
    parameter QUEUES = 5,
    parameter QUEUE_WIDTH = 3,
    // Widths of a context's and of a row's number (derived)
    parameter CONTEXT_WIDTH = FUNCTION_WIDTH + 5,
    parameter ROW_WIDTH = FUNCTION_WIDTH + QUEUE_WIDTH,
    // Width of a byte address of the medium, and of an AXI ID (staging buffers, log2)
    parameter ADDRESS_WIDTH = 40,
    parameter ID_WIDTH = 3,
    // Granules being read at once
    parameter MOST_BURSTS = 4
) (
    input wire clk,
    input wire rst,

    // Functions whose commands read nothing any more
    input wire [FUNCTIONS-1:0] gone,

    // A command, or a segment of it, has its lock
    input wire                     start_valid,
    input wire [CONTEXT_WIDTH-1:0] start_context,
    input wire [    ROW_WIDTH-1:0] start_row,
    input wire [              5:0] start_lock_row,

    // What holds the lock, in the same cycle: for the cost of its next granule
    output wire [CONTEXT_WIDTH-1:0] cost_context,
    input  wire [             17:0] cost_length,
    input  wire [             11:0] cost_offset,
    input  wire                     cost_compares,
    // And for the granule: `half` of the buffers is what a compare's data are in
    output wire [CONTEXT_WIDTH-1:0] look_context,
    input  wire [ADDRESS_WIDTH-1:0] look_address,
    input  wire [             17:0] look_length,
    input  wire [             11:0] look_offset,
    input  wire                     look_compares,
    input  wire                     look_half,

    // The host's page, a cycle later
    output wire [CONTEXT_WIDTH-1:0] page_context,
    output wire [              5:0] page_index,
    input  wire [             51:0] page_number,

    // The buffer that a compare's granule is compared with, in the same cycle
    output wire [CONTEXT_WIDTH-1:0] buffer_context,
    output wire                     buffer_half,
    output wire [              1:0] buffer_page,
    input  wire [              3:0] buffer_number,

    // AXI AR and R
    output wire [     ID_WIDTH-1:0] m_axi_arid,
    output wire [ADDRESS_WIDTH-1:0] m_axi_araddr,
    output wire [              7:0] m_axi_arlen,
    output wire                     m_axi_arvalid,
    input  wire                     m_axi_arready,
    input  wire [     ID_WIDTH-1:0] m_axi_rid,
    input  wire                     m_axi_rvalid,
    input  wire [            255:0] m_axi_rdata,
    input  wire [              1:0] m_axi_rresp,

    // What a compare's beat of R is compared with, in the cycle after: {function, buffer, word}
    output wire [FUNCTION_WIDTH+10:0] compare_word,
    input  wire [              255:0] compare_data,
    output reg                        compared_valid,
    output reg  [  CONTEXT_WIDTH-1:0] compared_context,
    output reg                        compared_differs,
    // Not everything could be read
    output reg                        compared_failed,

    // Where R's beat goes in the staging memory: {buffer, word}
    output wire [ID_WIDTH+7:0] store_word,
    // Words that each buffer has, side by side
    output wire [(8<<ID_WIDTH)-1:0] words,

    // A granule for the sender
    output wire                     burst_valid,
    output wire [CONTEXT_WIDTH-1:0] burst_context,
    output wire [     ID_WIDTH-1:0] burst_buffer,
    output wire [             63:0] burst_address,
    output wire [             12:0] burst_length,
    output wire [             11:0] burst_offset,
    output wire                     burst_last,
    // What it is sending is of no use any more
    input  wire [CONTEXT_WIDTH-1:0] sending_context,
    output wire                     sending_dead,
    // A granule has left, or was dropped: its buffer is free
    input  wire                     sent_valid,
    input  wire [     ID_WIDTH-1:0] sent_buffer,
    input  wire                     sent_dropped,

    // A Read that has not been sent to its end has ended
    output reg                     read_failed_valid,
    output reg [CONTEXT_WIDTH-1:0] read_failed_context,

    // The lock's row is given up
    output reg       release_valid,
    output reg [5:0] release_row
);

  localparam BUFFERS = 1 << ID_WIDTH;
  localparam CONTEXTS = 1 << CONTEXT_WIDTH;

  // Of each command: bytes asked for, where it has asked for any; its lock's row
  reg [17:0] issued_memory[0:CONTEXTS-1];
  reg [ 5:0] lock_memory  [0:CONTEXTS-1];
  reg [CONTEXTS-1:0] begun_reg, failed_reg, differs_reg;

  // Whose turn it is
  wire chosen, take, take_last;
  wire [CONTEXT_WIDTH-1:0] context_number;
  wire [12:0] chosen_bytes, cost;
  wire unused_look_valid;
  wire [ROW_WIDTH-1:0] unused_chosen_row;
  wire unused = &{1'b0, unused_look_valid, unused_chosen_row};
  fair_turns #(
      .FUNCTIONS(FUNCTIONS),
      .FUNCTION_WIDTH(FUNCTION_WIDTH),
      .QUEUES(QUEUES),
      .QUEUE_WIDTH(QUEUE_WIDTH)
  ) turns (
      .clk(clk),
      .rst(rst),
      .push_valid(start_valid),
      .push_row(start_row),
      .push_context(start_context),
      .look_valid(unused_look_valid),
      .look_context(cost_context),
      .look_cost(cost),
      .chosen_valid(chosen),
      .chosen_row(unused_chosen_row),
      .chosen_context(context_number),
      .chosen_bytes(chosen_bytes),
      .take(take),
      .take_last(take_last)
  );

  // Its cost: up to the end of the host's page, in which only the first granule does not begin at the start; a compare's
  // granules begin at multiples of 4 KiB of it.
  wire [17:0] cost_issued = issued_memory[cost_context] & {18{begun_reg[cost_context]}};
  wire [11:0] cost_at = cost_compares || begun_reg[cost_context] ? 12'd0 : cost_offset;
  wire [12:0] cost_room = 13'd4096 - {1'b0, cost_at};
  wire [17:0] cost_left = cost_length - cost_issued;
  assign cost = cost_left < {5'd0, cost_room} ? cost_left[12:0] : cost_room;

  // The granule
  assign look_context = context_number;
  wire [FUNCTION_WIDTH-1:0] chosen_function = context_number[CONTEXT_WIDTH-1-:FUNCTION_WIDTH];
  wire [17:0] issued = issued_memory[context_number] & {18{begun_reg[context_number]}};
  wire [17:0] issued_after = issued + {5'd0, chosen_bytes};
  wire last_granule = issued_after == look_length;
  wire [17:0] host_at = {6'd0, look_offset} + issued;
  assign page_context = context_number;
  assign page_index = host_at[17:12];
  assign buffer_context = context_number;
  assign buffer_half = look_half;
  assign buffer_page = issued[13:12];
  wire [ADDRESS_WIDTH-1:0] medium_at = look_address + {{(ADDRESS_WIDTH - 18) {1'b0}}, issued};
  // Words of it, and those before the next 4 KiB of the medium
  wire [12:0] span = {8'd0, medium_at[4:0]} + chosen_bytes + 13'd31;
  wire [7:0] total_words = span[12:5];
  wire [7:0] page_words = 8'd128 - {1'b0, medium_at[11:5]};
  wire crosses = total_words > page_words;

  // Staging buffers: taken; being read; of a command of which all has been asked for; of a compare
  reg [BUFFERS-1:0] used_reg, reading_reg, final_reg, compares_reg;
  reg [CONTEXT_WIDTH-1:0] owner_reg[0:BUFFERS-1];
  reg [3:0] number_reg[0:BUFFERS-1];
  reg [7:0] count_reg[0:BUFFERS-1];
  reg [7:0] total_reg[0:BUFFERS-1];
  reg [3:0] bursts_reg;

  // R
  wire [7:0] count = count_reg[m_axi_rid];
  assign store_word = {m_axi_rid, count};
  wire granule_ends = m_axi_rvalid && count + 8'd1 == total_reg[m_axi_rid];
  wire [CONTEXT_WIDTH-1:0] ending = owner_reg[m_axi_rid];
  wire r_compares = compares_reg[m_axi_rid];
  wire [CONTEXT_WIDTH-1:0] leaving = owner_reg[sent_buffer];

  // The buffer to take next; the other buffers of who is chosen, of whose granule ends, and of whose leaves
  reg [ID_WIDTH-1:0] free_buffer;
  reg [BUFFERS-1:0] of_chosen, of_ending, of_leaving;
  integer b;
  always @* begin
    free_buffer = {ID_WIDTH{1'b0}};
    of_chosen   = {BUFFERS{1'b0}};
    of_ending   = {BUFFERS{1'b0}};
    of_leaving  = {BUFFERS{1'b0}};
    if (chosen || granule_ends || sent_valid)
      for (b = BUFFERS - 1; b >= 0; b = b - 1) begin
        if (!used_reg[b]) free_buffer = b[ID_WIDTH-1:0];
        of_chosen[b]  = used_reg[b] && owner_reg[b] == context_number;
        of_ending[b]  = reading_reg[b] && owner_reg[b] == ending && m_axi_rid != b[ID_WIDTH-1:0];
        of_leaving[b] = used_reg[b] && owner_reg[b] == leaving && sent_buffer != b[ID_WIDTH-1:0];
      end
  end
  wire command_ends = granule_ends && final_reg[m_axi_rid] && of_ending == {BUFFERS{1'b0}};
  wire read_leaves = sent_valid && final_reg[sent_buffer] && of_leaving == {BUFFERS{1'b0}} &&
      (sent_dropped || failed_reg[leaving]);

  reg ar_valid_reg, more_valid_reg;
  reg [ID_WIDTH-1:0] ar_id_reg;
  reg [ADDRESS_WIDTH-1:0] ar_address_reg;
  reg [7:0] ar_words_reg, more_words_reg;
  wire ar_free = !ar_valid_reg || m_axi_arready;
  wire dead = failed_reg[context_number] || gone[chosen_function];
  wire pick = chosen && !dead && ar_free && !more_valid_reg && !(&used_reg) && bursts_reg < MOST_BURSTS[3:0];
  // A command that is given up: when no other ends in the same cycle
  wire quit = chosen && dead && !granule_ends && !sent_valid;
  assign take = pick || quit;
  assign take_last = quit || last_granule;
  wire quit_idle = quit && (of_chosen & reading_reg) == {BUFFERS{1'b0}};
  wire quit_empty = quit && of_chosen == {BUFFERS{1'b0}};

  wire [7:0] ar_last = ar_words_reg - 8'd1;
  assign m_axi_arid = ar_id_reg;
  assign m_axi_araddr = ar_address_reg;
  assign m_axi_arlen = ar_last;
  assign m_axi_arvalid = ar_valid_reg;

  // The sender's
  reg burst_valid_reg, burst_last_reg;
  reg [CONTEXT_WIDTH-1:0] burst_context_reg;
  reg [ID_WIDTH-1:0] burst_buffer_reg;
  reg [12:0] burst_length_reg;
  reg [11:0] burst_at_reg;
  reg [4:0] burst_offset_reg;
  assign burst_valid = burst_valid_reg;
  assign burst_context = burst_context_reg;
  assign burst_buffer = burst_buffer_reg;
  assign burst_address = {page_number, burst_at_reg};
  assign burst_length = burst_length_reg;
  assign burst_offset = {7'd0, burst_offset_reg};
  assign burst_last = burst_last_reg;
  assign sending_dead = failed_reg[sending_context] || gone[sending_context[CONTEXT_WIDTH-1-:FUNCTION_WIDTH]];

  // The comparator
  assign compare_word = {ending[CONTEXT_WIDTH-1-:FUNCTION_WIDTH], number_reg[m_axi_rid], count[6:0]};
  reg beat_valid_reg, beat_ends_reg, beat_quits_reg;
  reg [255:0] beat_data_reg;
  reg [CONTEXT_WIDTH-1:0] beat_context_reg, quit_context_reg;
  wire mismatch = beat_valid_reg && beat_data_reg != compare_data;
  genvar g;
  generate
    for (g = 0; g < BUFFERS; g = g + 1) begin : gen_words
      assign words[8*g+:8] = count_reg[g];
    end
  endgenerate

  always @(posedge clk) begin
    if (m_axi_arready) ar_valid_reg <= 1'b0;
    if (start_valid) begin
      lock_memory[start_context] <= start_lock_row;
      begun_reg[start_context]   <= 1'b0;
      failed_reg[start_context]  <= 1'b0;
      differs_reg[start_context] <= 1'b0;
    end

    if (pick) begin
      ar_valid_reg <= 1'b1;
      ar_id_reg <= free_buffer;
      ar_address_reg <= {medium_at[ADDRESS_WIDTH-1:5], 5'd0};
      ar_words_reg <= crosses ? page_words : total_words;
      more_valid_reg <= crosses;
      more_words_reg <= total_words - page_words;
      used_reg[free_buffer] <= 1'b1;
      reading_reg[free_buffer] <= 1'b1;
      count_reg[free_buffer] <= 8'd0;
      total_reg[free_buffer] <= total_words;
      owner_reg[free_buffer] <= context_number;
      number_reg[free_buffer] <= buffer_number;
      compares_reg[free_buffer] <= look_compares;
      issued_memory[context_number] <= issued_after;
      begun_reg[context_number] <= 1'b1;
    end else if (more_valid_reg && ar_free) begin
      ar_valid_reg   <= 1'b1;
      ar_address_reg <= {ar_address_reg[ADDRESS_WIDTH-1:12] + 1'b1, 12'd0};
      ar_words_reg   <= more_words_reg;
      more_valid_reg <= 1'b0;
    end
    if (take && take_last) final_reg <= final_reg | of_chosen;
    if (pick) final_reg[free_buffer] <= last_granule;
    if (quit) failed_reg[context_number] <= 1'b1;

    burst_valid_reg   <= pick && !look_compares;
    burst_context_reg <= context_number;
    burst_buffer_reg  <= free_buffer;
    burst_length_reg  <= chosen_bytes;
    burst_at_reg      <= host_at[11:0];
    burst_offset_reg  <= medium_at[4:0];
    burst_last_reg    <= last_granule;

    if (m_axi_rvalid) begin
      count_reg[m_axi_rid] <= count + 8'd1;
      if (m_axi_rresp[1]) failed_reg[ending] <= 1'b1;
    end
    if (granule_ends) begin
      reading_reg[m_axi_rid] <= 1'b0;
      if (r_compares) used_reg[m_axi_rid] <= 1'b0;
    end
    if (sent_valid) used_reg[sent_buffer] <= 1'b0;
    if (sent_valid && sent_dropped) failed_reg[leaving] <= 1'b1;
    bursts_reg <= bursts_reg + {3'd0, pick} - {3'd0, granule_ends};

    release_valid <= (command_ends && !r_compares) || (quit_idle && !look_compares);
    release_row <= lock_memory[granule_ends?ending : context_number];
    read_failed_valid <= read_leaves || (quit_empty && !look_compares);
    read_failed_context <= sent_valid ? leaving : context_number;

    beat_valid_reg <= m_axi_rvalid && r_compares;
    beat_ends_reg <= (command_ends && r_compares) || (quit_idle && look_compares);
    beat_quits_reg <= quit;
    beat_data_reg <= m_axi_rdata;
    beat_context_reg <= ending;
    quit_context_reg <= context_number;
    if (mismatch) differs_reg[beat_context_reg] <= 1'b1;
    compared_valid   <= beat_ends_reg;
    compared_context <= beat_quits_reg ? quit_context_reg : beat_context_reg;
    compared_differs <= mismatch || differs_reg[beat_context_reg];
    compared_failed  <= beat_quits_reg || failed_reg[beat_context_reg];

    if (rst) begin
      ar_valid_reg <= 1'b0;
      more_valid_reg <= 1'b0;
      burst_valid_reg <= 1'b0;
      used_reg <= {BUFFERS{1'b0}};
      reading_reg <= {BUFFERS{1'b0}};
      bursts_reg <= 4'd0;
      release_valid <= 1'b0;
      read_failed_valid <= 1'b0;
      beat_valid_reg <= 1'b0;
      beat_ends_reg <= 1'b0;
      compared_valid <= 1'b0;
    end
  end

endmodule

`resetall
