# The kernel's own driver takes the device.
driver_finds_it() {
    before=$(uptime_s)
    modprobe nvme
    wait_for "${1:-60}" test -b /dev/nvme0n1 || return 1
    after=$(uptime_s)
    seconds=$(echo "$before $after" | awk '{ printf "%.2f", $2 - $1 }')
    figure probe "$seconds" s
    detail "$seconds s from modprobe to /dev/nvme0n1; $(cat /sys/class/nvme/nvme0/model | tr -s ' ')"
}

reads_what_it_wrote() {
    dd if=/dev/urandom of=/tmp/pages bs=4k count=64
    dd if=/tmp/pages of=/dev/nvme0n1 bs=64k seek=3 conv=fsync
    echo 3 >/proc/sys/vm/drop_caches
    dd if=/dev/nvme0n1 of=/tmp/back bs=64k skip=3 count=4
    cmp /tmp/pages /tmp/back
}

figure boot "$(uptime_s)" s
check probe 60 driver_finds_it
check write-and-read 60 reads_what_it_wrote
check kernel-log 10 kernel_log_is_clean
