# fio 4 KiB random reads: the device, and QEMU's own NVMe device in the same guest, turn by turn.

# disk KIND: the block device of QEMU's own ("peer"), or of the other.
disk() {
    for controller in /sys/class/nvme/nvme*; do
        serial=$(tr -d ' ' <"$controller/serial")
        if { [ "$serial" = peer ] && [ "$1" = peer ]; } || { [ "$serial" != peer ] && [ "$1" != peer ]; }; then
            echo "/dev/$(basename "$controller")n1"
        fi
    done
}

both_are_there() {
    modprobe nvme
    wait_for 60 test -b /dev/nvme0n1 && wait_for 60 test -b /dev/nvme1n1 || return 1
    ours=$(disk ours)
    peer=$(disk peer)
    [ -b "$ours" ] && [ -b "$peer" ] && [ "$ours" != "$peer" ] || return 1
    echo "$ours" >/tmp/ours
    echo "$peer" >/tmp/peer
    # No holes: what is read has been written.
    head -c 32m /dev/urandom >/tmp/random
    dd if=/tmp/random of="$ours" bs=128k oflag=direct && dd if=/tmp/random of="$peer" bs=128k oflag=direct || return 1
    rm /tmp/random
    detail "ours is $ours"
}

# iops KIND DEPTH: reads a second, over a second.
iops() {
    fio --name=r --filename="$(cat "/tmp/$1")" --readonly --direct=1 --ioengine=libaio --iodepth="$2" --rw=randread \
        --bs=4k --size=32m --time_based --runtime=1 --minimal | awk -F ';' '/^3;/ { print $8 }'
}

# ratio DEPTH: the median of nine rounds, ours first in every other.
ratio() {
    rm -f /tmp/rounds
    for round in $(seq 9); do
        if [ $((round % 2)) = 0 ]; then
            a=$(iops ours "$1")
            b=$(iops peer "$1")
        else
            b=$(iops peer "$1")
            a=$(iops ours "$1")
        fi
        echo "$a $b" | tee -a /tmp/rounds
    done
    awk '{ print $1 / $2, $1, $2 }' /tmp/rounds | sort -n >/tmp/sorted
    figure "ratio-depth-$1" "$(awk 'NR == 5 { printf "%.2f", $1 }' /tmp/sorted)"
    detail "$(awk 'NR == 1 { low = $1 } NR == 5 { mid = $0 } { high = $1 }
        END { split(mid, m); printf "%.2f (%.2f to %.2f): %d against %d IOPS", m[1], low, high, m[2], m[3] }' /tmp/sorted)"
}

check probe 120 both_are_there || return 0
check reads-depth-1 300 ratio 1
check reads-depth-32 300 ratio 32
check kernel-log 10 kernel_log_is_clean
