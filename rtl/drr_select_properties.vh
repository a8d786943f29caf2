// What drr_select promises, for yowasp-sby: it chooses what the rule chooses, written down visit by visit.
localparam MOST_VISITS = ROWS << (COST_WIDTH - QUANTUM_SHIFT);

reg [ROW_WIDTH-1:0] turn, visited_row;
reg [ROWS*DEFICIT_WIDTH-1:0] turn_deficits;
reg [DEFICIT_WIDTH:0] turn_sum;
reg found;
integer step, ahead, place;
always @* begin
    turn = current;
    turn_deficits = deficits;
    turn_sum = 0;
    visited_row = current;
    found = eligible[current] && deficits[current*DEFICIT_WIDTH+:DEFICIT_WIDTH] >= costs[current*COST_WIDTH+:COST_WIDTH];
    for (step = 0; step < MOST_VISITS; step = step + 1)
        if (!found && |eligible) begin
            for (ahead = ROWS; ahead > 0; ahead = ahead - 1) begin
                place = turn + ahead;
                if (place >= ROWS) place = place - ROWS;
                if (eligible[place]) visited_row = place;
            end
            turn = visited_row;
            turn_sum = turn_deficits[turn*DEFICIT_WIDTH+:DEFICIT_WIDTH] + (1 << QUANTUM_SHIFT);
            if (turn_sum[DEFICIT_WIDTH]) turn_sum = {1'b0, {DEFICIT_WIDTH{1'b1}}};
            turn_deficits[turn*DEFICIT_WIDTH+:DEFICIT_WIDTH] = turn_sum[DEFICIT_WIDTH-1:0];
            found = turn_sum[DEFICIT_WIDTH-1:0] >= costs[turn*COST_WIDTH+:COST_WIDTH];
        end
    assume (current < ROWS);
    assert (chosen_valid == |eligible);
    if (|eligible) begin
        assert (found);
        assert (chosen == turn);
        assert (visited_deficits == turn_deficits);
    end
    cover (|eligible && fewest == 3 && chosen < current && &eligible);
    cover (keeps_turn && &eligible);
end
