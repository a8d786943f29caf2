# The device dies with I/O under way: the kernel gives it up, readers get errors, and finds its data when the device is
# back.

writes() {
    head -c 1m /dev/urandom >/tmp/pages
    dd if=/tmp/pages of=/dev/nvme0n1 bs=64k oflag=direct
}

reads_again() {
    dd if=/dev/nvme0n1 of=/tmp/back bs=64k count=16 iflag=direct
    cmp /tmp/pages /tmp/back
}

# A process that nobody has waited for yet is a zombie.
has_ended() {
    [ ! -d "/proc/$1" ] || grep -q '^State:.Z' "/proc/$1/status"
}

state() {
    cat /sys/class/nvme/nvme0/state
}

is_given_up() {
    [ "$(state)" = dead ] || [ ! -e /sys/class/nvme/nvme0 ]
}

# Readers run into the death of the device, and the kernel gives it up.
dies_under_io() {
    for reader in 1 2 3; do
        # Not into the check's own output: the check would not end before them.
        (while dd if=/dev/nvme0n1 of=/dev/null bs=64k count=64 iflag=direct; do :; done) >/dev/null 2>&1 &
        readers="${readers:-} $!"
    done
    echo "$readers" >/tmp/readers
    sleep 1
    ask kill-server && wait_for 150 is_given_up
}

# Its disk goes, whatever became of the device, and every reader has got its error.
is_let_go_of() {
    [ ! -e /sys/bus/pci/devices/0000:01:00.0 ] || echo 1 >/sys/bus/pci/devices/0000:01:00.0/remove
    wait_for 120 test ! -e /dev/nvme0n1 || return 1
    for reader in $(cat /tmp/readers); do
        wait_for 60 has_ended "$reader" || return 1
    done
}

comes_back() {
    ask start-server && ask plug second && wait_for 120 test -b /dev/nvme0n1
}

no_trace() {
    ! dmesg | grep -E 'Call Trace|WARNING:|BUG:|hung task|blocked for more'
}

modprobe nvme_core io_timeout=10 admin_timeout=10
modprobe nvme
check plug 60 ask plug first
check disk 60 wait_for 50 test -b /dev/nvme0n1
check write 60 writes
check die-under-io 200 dies_under_io
check remove 200 is_let_go_of
check server-restarted 120 comes_back
check read 60 reads_again
check kernel-log 10 no_trace
