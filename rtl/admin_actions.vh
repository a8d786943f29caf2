// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// What an admin command leads to, and the pages there are, for use inside a module.
localparam [2:0] ANSWER = 3'd0;
localparam [2:0] PAGE = 3'd1;
localparam [2:0] CREATE_CQ = 3'd2;
localparam [2:0] CREATE_SQ = 3'd3;
localparam [2:0] DELETE_SQ = 3'd4;
localparam [2:0] DELETE_CQ = 3'd5;
localparam [2:0] HOLD = 3'd6;
localparam [2:0] SET_FEATURE = 3'd7;
// 0 to 2: Identify, numbered as CNS is
localparam [2:0] NO_PAGE = 3'd3;
localparam [2:0] FIRMWARE_PAGE = 3'd4;
localparam [2:0] HEALTH_PAGE = 3'd5;
localparam [2:0] COUNTERS_PAGE = 3'd6;
localparam [2:0] ERRORS_PAGE = 3'd7;
