# Resets with I/O under way: the kernel's driver retries, and fio finds no error and no torn block.
. /driver.sh

# A fio that runs until the resets are through; what it writes it reads back.
starts_io() {
    fio --name=under-reset --filename=/dev/nvme0n1 --direct=1 --ioengine=libaio --iodepth=16 \
        --rw=randrw --bs=4k --size=16m --offset="$1" --verify=crc32c --verify_fatal=1 \
        --verify_backlog=64 --time_based --runtime=600 --minimal >/tmp/fio 2>&1 &
    job=$!
    wait_for 30 under_way
}

# Requests the disk has under way: some, for a fio that works.
under_way() {
    awk '{ exit !($1 + $2 > 0) }' /sys/block/nvme0n1/inflight
}

# The count of I/Os the disk has done.
done_ios() {
    awk '{ print $1 + $5 }' /sys/block/nvme0n1/stat
}

more_ios_than() {
    [ "$(done_ios)" -gt "$1" ]
}

# ends_io: fio has to end well when told to.
ends_io() {
    kill -INT $job
    wait $job
    status=$?
    cat /tmp/fio
    # Interrupted is 128; an I/O or verify error is not.
    [ $status = 0 ] || [ $status = 128 ]
    ! grep -Ei 'verify:|error|bad magic' /tmp/fio
}

# resets_by FILE TIMES
resets_by() {
    times=0
    while [ $times -lt "$2" ]; do
        before=$(done_ios)
        wait_for 60 more_ios_than $((before + 50)) || return 1
        echo 1 >"$1" || return 1
        wait_for 60 grep -q live /sys/class/nvme/nvme0/state || return 1
        wait_for 60 more_ios_than "$(done_ios)" || return 1
        times=$((times + 1))
    done
    detail "$2 times, $(done_ios) I/Os so far"
}

controller_resets_under_io() {
    starts_io 0 && resets_by /sys/class/nvme/nvme0/reset_controller "$1" && ends_io
}

function_resets_under_io() {
    pci=/sys/bus/pci/devices/$(address)
    grep -qw flr "$pci/reset_method" || { echo "reset methods: $(cat "$pci/reset_method")"; return 1; }
    echo flr >"$pci/reset_method"
    starts_io 64m && resets_by "$pci/reset" "$1" && ends_io
}

disk_is_taken_away_and_found_again() {
    pci=$(address)
    echo "$pci" >/sys/bus/pci/drivers/nvme/unbind || return 1
    [ ! -e /dev/nvme0n1 ] || return 1
    echo "$pci" >/sys/bus/pci/drivers/nvme/bind || return 1
    wait_for 60 test -b /dev/nvme0n1
}

check controller-reset-under-io 300 controller_resets_under_io 5
check function-reset-under-io 300 function_resets_under_io 5
check unbind-and-bind 120 disk_is_taken_away_and_found_again
# The namespace is one that other controllers may reach, too, so the kernel speaks of paths while its own resets.
check kernel-log 10 kernel_log_is_clean 'no usable path - requeuing I/O|nvme_ns_head_submit_bio: .* suppressed'
