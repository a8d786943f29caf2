# A device plugged into a slot of a running guest; let go of by the kernel, and found again.

pci=0000:01:00.0

plug() {
    ask plug first && wait_for 60 test -b /dev/nvme0n1
}

writes() {
    head -c 256k /dev/urandom >/tmp/pages
    dd if=/tmp/pages of=/dev/nvme0n1 bs=64k seek=5 conv=fsync
}

reads_again() {
    dd if=/dev/nvme0n1 of=/tmp/back bs=64k skip=5 count=4 iflag=direct
    cmp /tmp/pages /tmp/back
}

remove() {
    echo 1 >/sys/bus/pci/devices/$pci/remove && wait_for 30 test ! -e /dev/nvme0n1
}

rescan() {
    echo 1 >/sys/bus/pci/rescan && wait_for 60 test -b /dev/nvme0n1
}

unplug() {
    ask unplug first && wait_for 30 test ! -e /dev/nvme0n1
}

modprobe nvme
check plug 120 plug
check write 60 writes
check remove 60 remove
check rescan 60 rescan
check read 60 reads_again
# QEMU 11.1 aborts when a vfio-user device with MSI-X is pulled out: it takes the region of its pending bits
# out of a BAR that is gone.
if [ "$(given device)" = qemu ]; then
    check unplug 120 unplug
    check plug-again 120 plug
    check read-again 60 reads_again
fi
check kernel-log 10 kernel_log_is_clean
