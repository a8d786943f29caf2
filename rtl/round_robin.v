// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// round_robin: the first request at or after a place, going around. Combinational; the user moves the place.

`resetall
`timescale 1ns / 1ps
`default_nettype none

module round_robin #(
    // Number of requests
    parameter COUNT = 8,
    // Width of a request's number in bits
    parameter WIDTH = 3
) (
    input  wire [COUNT-1:0] request,
    // The request to look at first
    input  wire [WIDTH-1:0] from,
    output reg  [WIDTH-1:0] chosen,
    output wire             valid
);

  generate
    if (COUNT > (1 << WIDTH)) begin : gen_width_check
      WIDTH_is_too_narrow_for_COUNT check ();
    end
  endgenerate

  wire [COUNT-1:0] later = request & ({COUNT{1'b1}} << from);
  wire [COUNT-1:0] candidates = |later ? later : request;
  integer i;

  assign valid = |request;

  always @* begin
    chosen = {WIDTH{1'b0}};
    for (i = COUNT - 1; i >= 0; i = i - 1) if (candidates[i]) chosen = i[WIDTH-1:0];
  end

endmodule

`resetall
