# The kernel's own driver takes the device: sourced by scripts that want /dev/nvme0n1.

driver_finds_it() {
    before=$(uptime_s)
    modprobe nvme
    wait_for 600 test -b /dev/nvme0n1 || return 1
    seconds=$(echo "$before $(uptime_s)" | awk '{ printf "%.2f", $2 - $1 }')
    figure probe "$seconds" s
    detail "$seconds s from modprobe to /dev/nvme0n1; $(cat /sys/class/nvme/nvme0/model | tr -s ' ')"
}

# The PCI address of the device.
address() {
    basename "$(readlink -f /sys/class/nvme/nvme0/device)"
}

check probe 60 driver_finds_it || return 0
