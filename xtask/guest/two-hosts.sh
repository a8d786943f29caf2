# One of two guests, each with a VF of one device: what one writes the other reads, and both increment
# one counter with our driver, each increment an exclusive update of its page.
. /driver.sh
. /vfio-bind.sh

me=$(given guest)
other=$((1 - me))

# posted NAME: has the other guest got so far?
posted() {
    [ "$(ask posted "$1")" = 'ok yes' ]
}

meets() {
    ask post "$1-$me" >/dev/null && wait_for 110 posted "$1-$other"
}

# Each writes a megabyte of its own with the kernel's driver, and finds the other's.
writes_for_the_other() {
    yes "guest $me" | head -c 1m | dd of=/dev/nvme0n1 bs=64k seek=$((16 * me)) oflag=direct iflag=fullblock || return 1
    meets written || return 1
    dd if=/dev/nvme0n1 of=/tmp/theirs bs=64k skip=$((16 * other)) count=16 iflag=direct || return 1
    yes "guest $other" | head -c 1m | cmp - /tmp/theirs || return 1
    meets read
}

prepares() {
    if [ "$me" = 0 ]; then
        rdstore format --force --device $device && rdstore put --device $device counter 0 || return 1
    fi
    meets formatted
}

# field NAME: of the JSON in /tmp/entry.
field() {
    sed "s/.*\"$1\":\"\?\([0-9]*\).*/\1/" /tmp/entry
}

# increments TIMES: reads the counter and its version, and writes unless the version has changed.
increments() {
    left=$1
    lost=0
    while [ "$left" -gt 0 ]; do
        rdstore get --device $device counter --json >/tmp/entry || return 1
        rdstore put --device $device counter $(($(field value) + 1)) --if-version "$(field version)" >/dev/null 2>/tmp/said
        case $? in
        0) left=$((left - 1)) ;;
        1) lost=$((lost + 1)) ;;
        *) cat /tmp/said; return 1 ;;
        esac
    done
    detail "$1 increments, $lost attempts came too late"
}

adds_up() {
    meets counted || return 1
    rdstore get --device $device counter --json >/tmp/entry || return 1
    detail "the counter is $(field value)"
    [ "$(field value)" = "$((2 * $1))" ] && meets read-counter
}

check shared-namespace 120 writes_for_the_other
check vfio-pci 60 vfio_takes_it || return 0
check prepare 120 prepares || return 0
check increments 400 increments 40
check no-lost-update 400 adds_up 40
check kernel-log 10 kernel_log_is_clean
