# A device plugged into a slot of a running guest, pulled out, and plugged in again.

plug() {
    ask plug && wait_for 60 test -b /dev/nvme0n1
}

unplug() {
    ask unplug hot && wait_for 30 test ! -e /dev/nvme0n1
}

writes() {
    head -c 256k /dev/urandom >/tmp/pages
    dd if=/tmp/pages of=/dev/nvme0n1 bs=64k seek=5 conv=fsync
}

reads_again() {
    dd if=/dev/nvme0n1 of=/tmp/back bs=64k skip=5 count=4
    cmp /tmp/pages /tmp/back
}

modprobe nvme
check plug 120 plug
check write 60 writes
check unplug 120 unplug
check plug-again 120 plug
check read 60 reads_again
check kernel-log 10 kernel_log_is_clean
