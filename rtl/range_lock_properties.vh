// What range_lock promises, for yowasp-sby: no two conflicting rows hold their ranges at once, nobody passes an older
// request that conflicts with its own, and who has no older one left in its way is granted.
reg past_valid = 1'b0;
always @(posedge clk) past_valid <= 1'b1;
always @* if (!past_valid) assume (rst);

// What the users of the table keep to: requests of functions with a free row, rows given up once and while they are
// there (granted or not: a request may be withdrawn).
always @* begin
    assume (!request_valid || request_function < FUNCTIONS);
    assume (!request_valid || free[request_function]);
    assume (!request_valid || request_first <= request_last);
    assume (!release_valid || release_row < ROWS);
    assume (!release_valid || present_reg[release_row]);
    assume (!release_write_valid || release_write_row < ROWS);
    assume (!release_write_valid || present_reg[release_write_row]);
    assume (!release_valid || !release_write_valid || release_row != release_write_row);
end

// Who came before whom: bit j of row i says that row j is older.
reg [ROWS-1:0] older[0:ROWS-1];
integer o;
always @(posedge clk) begin
    for (o = 0; o < ROWS; o = o + 1) older[o] <= older[o] & ~going;
    if (request_valid) older[new_row] <= present_reg & ~going;
end

genvar i, j;
generate
    for (i = 0; i < ROWS; i = i + 1) begin : gen_check
        wire holds = present_reg[i] && waits_on_reg[i] == {ROWS{1'b0}};
        for (j = 0; j < ROWS; j = j + 1) begin : gen_pair
            if (i != j) begin : gen_others
                wire conflict = (exclusive_reg[i] || exclusive_reg[j]) && first_reg[i] <= last_reg[j] &&
                    first_reg[j] <= last_reg[i];
                always @* if (past_valid && present_reg[i]) begin
                    assert (first_reg[i] <= last_reg[i]);
                    if (present_reg[j]) begin
                        assert (older[i][j] != older[j][i]);
                        assert (waits_on_reg[i][j] == (older[i][j] && conflict));
                        assert (!(conflict && holds && gen_check[j].holds));
                        assert (!(conflict && holds && older[i][j]));
                    end else begin
                        assert (!older[i][j]);
                        assert (!waits_on_reg[i][j]);
                    end
                end
            end
        end
        always @* if (past_valid && present_reg[i]) begin
            assert (!waits_on_reg[i][i] && !older[i][i]);
            assert (!told_reg[i] || holds);
            // The oldest is never kept waiting, and who holds its range and was not told so is told in turn.
            if (older[i] == {ROWS{1'b0}}) assert (holds);
            if (holds && !told_reg[i]) assert (grant_valid);
            if (grant_valid && grant_row == i) assert (holds && !told_reg[i]);
        end
    end
endgenerate

always @(posedge clk) if (past_valid && !rst) begin
    // One cycle from an undisturbed request to its grant
    if (!$past(rst) && $past(request_valid && conflicts == {ROWS{1'b0}})) begin
        assert (present_reg[$past(new_row)]);
        assert (waits_on_reg[$past(new_row)] == {ROWS{1'b0}});
        assert (!told_reg[$past(new_row)]);
    end
    cover (&present_reg && $past(request_valid));
    cover ($past(grant_valid && grant_ready && release_valid && release_write_valid && request_valid));
    // A reader behind a waiting writer behind a reader, each granted in turn
    cover (present_reg[0] && present_reg[1] && present_reg[2] && waits_on_reg[1][0] && waits_on_reg[2] == 4'b0010 &&
        !exclusive_reg[0] && exclusive_reg[1] && !exclusive_reg[2]);
end
