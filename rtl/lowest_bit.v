// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// lowest_bit: the number of the lowest bit that is set; 0 when there is none. Combinational.

`resetall
`timescale 1ns / 1ps
`default_nettype none

module lowest_bit #(
    // Number of bits
    parameter COUNT = 64,
    // Width of a bit's number
    parameter WIDTH = 6
) (
    input  wire [COUNT-1:0] bits,
    output wire [WIDTH-1:0] number
);

  generate
    if (COUNT > (1 << WIDTH)) begin : gen_width_check
      WIDTH_is_too_narrow_for_COUNT_bits check ();
    end
  endgenerate

  // A carry chain finds it.
  wire [COUNT-1:0] lowest = bits & ~(bits - 1'b1);

  // Bits in whose number a bit is set
  function [COUNT-1:0] places(input integer bit_number);
    integer n;
    begin
      places = {COUNT{1'b0}};
      for (n = 0; n < COUNT; n = n + 1) places[n] = (n >> bit_number) % 2 == 1;
    end
  endfunction

  genvar w;
  generate
    for (w = 0; w < WIDTH; w = w + 1) begin : gen_number
      localparam [COUNT-1:0] PLACES = places(w);
      assign number[w] = |(lowest & PLACES);
    end
  endgenerate

endmodule

`resetall
