# What the scripts write their checks with. Sourced by init; file descriptor 3 is the host.

# A line for the host.
say() {
    echo "$*" >&3
}

# Asks the host to do something, prints its answer; fails unless that starts with "ok".
ask() {
    say "ASK $*"
    read -r answer <&3
    echo "$answer"
    [ "${answer%% *}" = ok ]
}

# check NAME SECONDS COMMAND…: runs it and tells the host how it ended. What it prints goes to the
# console, and its last lines to the host when it fails. A command can leave a detail in /tmp/detail.
check() {
    check_name=$1
    say "BEGIN $1 $2"
    shift 2
    rm -f /tmp/detail
    { "$@" 2>&1; echo $? >/tmp/status; } | tee /tmp/output
    if [ "$(cat /tmp/status)" = 0 ]; then
        say "CHECK $check_name ok $(cat /tmp/detail 2>/dev/null)"
    else
        say "CHECK $check_name fail $(tail -n 4 /tmp/output | tr '\n\r\t' '   ' | cut -c 1-400)"
        return 1
    fi
}

# What the host's table shows beside a check that passed.
detail() {
    echo "$*" >/tmp/detail
}

# A measurement: figure NAME VALUE UNIT
figure() {
    say "FIGURE $*"
}

# A value the host gave on the kernel's command line.
given() {
    tr ' ' '\n' </proc/cmdline | sed -n "s/^$1=//p"
}

# Seconds since the kernel started.
uptime_s() {
    cut -d ' ' -f 1 /proc/uptime
}

# wait_for SECONDS TEST…: until it holds.
wait_for() {
    until_s=$(($(cut -d . -f 1 /proc/uptime) + $1))
    shift
    while ! "$@"; do
        if [ "$(cut -d . -f 1 /proc/uptime)" -ge "$until_s" ]; then
            echo "gave up waiting for: $*"
            return 1
        fi
        sleep 0.02
    done
}

# The kernel's own complaints: warnings and worse, and traces. Before the checks began, all but what
# /allowed lists, which is this machine's; since then, all but what /allowed lists with a * in front,
# and the pattern that may be given.
kernel_log_is_clean() {
    dmesg -r | awk -v expected="${1:-}" '
        FILENAME == "/allowed" && /^#/ { next }
        FILENAME == "/allowed" && sub(/^[*]/, "") { always[++number] = $0; next }
        FILENAME == "/allowed" { allowed[++count] = $0; next }
        /the checks begin/ { begun = 1 }
        !/^<[0-4]>/ && !/Call Trace|WARNING:|BUG:/ { next }
        expected != "" && $0 ~ expected { next }
        { for (i = 1; i <= number; i++) if ($0 ~ always[i]) next }
        { for (i = 1; i <= count && !begun; i++) if ($0 ~ allowed[i]) next; print; found = 1 }
        END { exit found }' /allowed -
}
