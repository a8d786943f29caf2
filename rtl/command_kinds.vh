// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// What an I/O command is for the data paths, for use inside a module.
localparam [2:0] KIND_STATUS = 3'd0;
localparam [2:0] KIND_READ = 3'd1;
localparam [2:0] KIND_WRITE = 3'd2;
localparam [2:0] KIND_COMPARE = 3'd3;
localparam [2:0] KIND_PAIR = 3'd4;
