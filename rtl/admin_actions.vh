// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// What an admin command leads to, and the pages there are, for use inside a module.
localparam [3:0] ANSWER = 4'd0;
localparam [3:0] PAGE = 4'd1;
localparam [3:0] CREATE_CQ = 4'd2;
localparam [3:0] CREATE_SQ = 4'd3;
localparam [3:0] DELETE_SQ = 4'd4;
localparam [3:0] DELETE_CQ = 4'd5;
localparam [3:0] HOLD = 4'd6;
localparam [3:0] SET_FEATURE = 4'd7;
localparam [3:0] ABORT = 4'd8;
// 0 to 2: Identify, numbered as CNS is
localparam [2:0] NO_PAGE = 3'd3;
localparam [2:0] FIRMWARE_PAGE = 3'd4;
localparam [2:0] HEALTH_PAGE = 3'd5;
localparam [2:0] COUNTERS_PAGE = 3'd6;
localparam [2:0] ERRORS_PAGE = 3'd7;
