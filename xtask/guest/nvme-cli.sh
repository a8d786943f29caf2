# lspci, and nvme-cli's commands: what they print has to agree with what the kernel knows.
. /driver.sh

lspci_shows_an_nvme_endpoint() {
    /usr/bin/lspci -vv -s "$(address)" | tee /tmp/lspci
    for part in 'Non-Volatile memory controller' 'prog-if 02' 'Express (v[12]) Endpoint' \
        'MSI-X: Enable+' 'BusMaster+' 'Kernel driver in use: nvme' 'FLReset+'; do
        grep -q -- "$part" /tmp/lspci || { echo "lspci -vv does not say '$part'"; return 1; }
    done
    if grep -E 'UncorrErr\+|FatalErr\+|<MAbort\+|Unknown header type|rev ff' /tmp/lspci; then
        echo "lspci -vv shows an error"
        return 1
    fi
    detail "$(grep -o 'MSI-X:.*' /tmp/lspci); $(grep -o 'LnkSta:.*' /tmp/lspci)"
}

list() {
    nvme list
    nvme list | grep -q /dev/nvme0n1
}

# field FILE NAME: a value of nvme-cli's normal output.
field() {
    sed -n "s/^$2 *: *//p" "$1" | head -n 1
}

id_ctrl() {
    nvme id-ctrl /dev/nvme0 | tee /tmp/id
    [ "$(field /tmp/id mn | tr -d ' ')" = "$(tr -d ' ' </sys/class/nvme/nvme0/model)" ] || return 1
    [ "$(field /tmp/id sn | tr -d ' ')" = "$(tr -d ' ' </sys/class/nvme/nvme0/serial)" ] || return 1
    [ "$(field /tmp/id vid)" = "$(cat "/sys/bus/pci/devices/$(address)/vendor")" ] || return 1
    [ "$(field /tmp/id nn)" -ge 1 ] || return 1
    detail "vid $(field /tmp/id vid), mdts $(field /tmp/id mdts), fuses $(field /tmp/id fuses), oncs $(field /tmp/id oncs)"
}

id_ns() {
    nvme id-ns /dev/nvme0n1 | tee /tmp/ns
    shift_bits=$(sed -n 's/.*lbads:\([0-9]*\).*in use.*/\1/p' /tmp/ns)
    blocks=$(($(field /tmp/ns nsze)))
    bytes=$((blocks << shift_bits))
    [ "$bytes" = "$(blockdev --getsize64 /dev/nvme0n1)" ] || return 1
    detail "$blocks blocks of $((1 << shift_bits)) bytes"
}

# A number of the SMART log.
smart() {
    nvme smart-log /dev/nvme0 | sed -n "s/^$1[^:]*: *\([0-9]*\).*/\1/p"
}

smart_log() {
    nvme smart-log /dev/nvme0
    reads=$(smart host_read_commands)
    units=$(smart 'Data Units Read')
    dd if=/dev/nvme0n1 of=/dev/null bs=64k count=32 iflag=direct 2>&1
    [ "$(smart host_read_commands)" -ge $((reads + 32)) ] || { echo "32 reads are not counted: $reads"; return 1; }
    # A unit is 512,000 bytes.
    [ "$(smart 'Data Units Read')" -ge $((units + 4)) ] || { echo "2 MiB are not counted: $units"; return 1; }
}

# A read past the end of the namespace fails, and leaves an entry.
error_log() {
    blocks=$(($(field /tmp/ns nsze)))
    if nvme io-passthru /dev/nvme0n1 --opcode=2 --namespace-id=1 --data-len=4096 --read \
        --cdw10="$blocks" --cdw11=0 --cdw12=0 >/tmp/past 2>&1; then
        echo "a read past the end succeeded"
        return 1
    fi
    cat /tmp/past
    grep -qi 'LBA' /tmp/past || return 1
    nvme error-log /dev/nvme0 | tee /tmp/errors
    # QEMU's own device keeps no such log.
    [ "$(given device)" = qemu ] || grep -Eq '^error_count[[:space:]]*: *[1-9]' /tmp/errors
}

# feature NUMBER: its value in hex digits.
feature() {
    nvme get-feature /dev/nvme0 --feature-id="$1" | sed -n 's/.*[Cc]urrent value: *\(0x\)\?0*\([0-9a-f]*\).*/\2/p'
}

features() {
    # Error Recovery (5) is of a namespace, where there are several.
    for number in 1 2 4 5 7 8 9 10 11; do
        nvme get-feature /dev/nvme0 --namespace-id=1 --feature-id=$number || return 1
    done
    before=$(feature 4)
    nvme set-feature /dev/nvme0 --feature-id=4 --value=0x150 || return 1
    [ "$(feature 4)" = 150 ] || { echo "the temperature threshold is $(feature 4), not 150"; return 1; }
    nvme set-feature /dev/nvme0 --feature-id=4 --value="0x$before" || return 1
    if nvme get-feature /dev/nvme0 --feature-id=0x7f; then
        echo "a feature that does not exist was read"
        return 1
    fi
}

block_bytes() {
    blockdev --getss /dev/nvme0n1
}

# compare BLOCK FILE
compare() {
    nvme compare /dev/nvme0n1 --start-block="$1" --block-count=0 --data-size="$(block_bytes)" --data="$2"
}

compares() {
    dd if=/dev/urandom of=/tmp/page bs="$(block_bytes)" count=1 2>/dev/null
    cp /tmp/page /tmp/other
    printf x | dd of=/tmp/other bs=1 seek=$(($(block_bytes) - 1)) conv=notrunc 2>/dev/null
    cmp -s /tmp/page /tmp/other && printf y | dd of=/tmp/other bs=1 seek=$(($(block_bytes) - 1)) conv=notrunc 2>/dev/null
    nvme write /dev/nvme0n1 --start-block=40 --block-count=0 --data-size="$(block_bytes)" --data=/tmp/page || return 1
    compare 40 /tmp/page || return 1
    if compare 40 /tmp/other >/tmp/miscompare 2>&1; then
        echo "a compare with other data succeeded"
        return 1
    fi
    cat /tmp/miscompare
    grep -qi 'compare' /tmp/miscompare
}

flush() {
    nvme flush /dev/nvme0n1
}

io_passthru() {
    dd if=/dev/urandom of=/tmp/page bs="$(block_bytes)" count=1 2>/dev/null
    nvme io-passthru /dev/nvme0n1 --opcode=1 --namespace-id=1 --cdw10=77 --data-len="$(block_bytes)" \
        --write --input-file=/tmp/page || return 1
    nvme io-passthru /dev/nvme0n1 --opcode=2 --namespace-id=1 --cdw10=77 --data-len="$(block_bytes)" \
        --read --raw-binary >/tmp/back || return 1
    cmp /tmp/page /tmp/back
}

reset_works() {
    nvme reset /dev/nvme0 || return 1
    wait_for 30 grep -q live /sys/class/nvme/nvme0/state || return 1
    compare 77 /tmp/page
}

check lspci 30 lspci_shows_an_nvme_endpoint
check list 30 list
check id-ctrl 30 id_ctrl
check id-ns 30 id_ns
check smart-log 30 smart_log
check error-log 30 error_log
check features 60 features
check compare 30 compares
check flush 30 flush
check io-passthru 30 io_passthru
check reset 60 reset_works
# The kernel says so of every controller without SGLs, which came after NVMe 1.1's mandatory part.
check kernel-log 10 kernel_log_is_clean 'nvme nvme0: resetting controller|using unchecked data buffer'
