# fio writes with checksums and reads back: sizes, depths, jobs, engines.
. /driver.sh

# fio_verifies OPTIONS…: checksums in every block, and the pattern read back.
fio_verifies() {
    fio --filename=/dev/nvme0n1 --direct=1 --verify=crc32c --verify_fatal=1 --do_verify=1 \
        --minimal --group_reporting "$@" >/tmp/fio || { cat /tmp/fio; return 1; }
    # Version 3 of the terse output: kB, bandwidth and IOPS of reads are fields 6 to 8, of writes 47 to 49.
    detail "$(awk -F ';' '/^3;/ { printf "%d KiB written, %d KiB read back", $47, $6 }' /tmp/fio)"
    awk -F ';' '/^3;/ { exit !($47 > 0 && $6 >= $47) }' /tmp/fio || { cat /tmp/fio; return 1; }
}

# How much is written: less on a slow device.
mib=$(given mib)

check write-4k-depth-1 300 fio_verifies --name=a --ioengine=psync --rw=write --bs=4k --size=$((mib / 4))m
check write-4k-depth-64 300 fio_verifies --name=b --ioengine=libaio --iodepth=64 --rw=randwrite --bs=4k --size=$((mib / 2))m
check write-128k-depth-16 300 fio_verifies --name=c --ioengine=libaio --iodepth=16 --rw=write --bs=128k --size=$((mib * 2))m
check write-mixed-sizes 300 fio_verifies --name=d --ioengine=io_uring --iodepth=32 --rw=randwrite --bsrange=4k-128k --size="${mib}m"
check mixed-reads-and-writes 300 fio_verifies --name=e --ioengine=libaio --iodepth=16 --rw=randrw --rwmixwrite=60 --bssplit=4k/60:16k/30:64k/10 --size="${mib}m"
check four-jobs 300 fio_verifies --name=f --ioengine=libaio --iodepth=8 --rw=randwrite --bsrange=4k-64k --numjobs=4 --offset_increment=64m --size=$((mib / 2))m
check kernel-log 10 kernel_log_is_clean
