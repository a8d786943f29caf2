# The shortest: the device is found, and keeps what is written.
. /driver.sh

reads_what_it_wrote() {
    dd if=/dev/urandom of=/tmp/pages bs=4k count=64
    dd if=/tmp/pages of=/dev/nvme0n1 bs=64k seek=3 conv=fsync
    echo 3 >/proc/sys/vm/drop_caches
    dd if=/dev/nvme0n1 of=/tmp/back bs=64k skip=3 count=4
    cmp /tmp/pages /tmp/back
}

check write-and-read 60 reads_what_it_wrote
check kernel-log 10 kernel_log_is_clean
