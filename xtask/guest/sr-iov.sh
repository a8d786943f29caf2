# Virtual functions by the kernel's own SR-IOV: the PF's capability, sriov_numvfs, a VF of its own, and the
# namespace that both have.

pf=0000:01:00.0
vf=0000:01:00.1
devices=/sys/bus/pci/devices

# QEMU shows the VF as a function of its own from the start: the kernel forgets that one.
[ ! -e $devices/$vf ] || echo 1 >$devices/$vf/remove
. /driver.sh

has_the_capability() {
    /usr/bin/lspci -vv -s $pf | tee /tmp/lspci
    grep -q 'Single Root I/O Virtualization' /tmp/lspci || return 1
    total=$(cat $devices/$pf/sriov_totalvfs)
    [ "$total" -ge 1 ] || return 1
    detail "sriov_totalvfs $total"
}

# A real VF has no BAR registers, so the kernel writes none, and QEMU has to be told by hand where the BAR
# is that the kernel has derived from the PF's.
enables() {
    [ ! -e $devices/$vf ] || return 1
    echo 0 >$devices/$pf/sriov_drivers_autoprobe || return 1
    echo 1 >$devices/$pf/sriov_numvfs || return 1
    [ "$(cat $devices/$pf/sriov_numvfs)" = 1 ] || return 1
    [ "$(basename "$(readlink $devices/$pf/virtfn0)")" = $vf ] || return 1
    [ "$(basename "$(readlink $devices/$vf/physfn)")" = $pf ] || return 1
    bar=$(head -n 1 $devices/$vf/resource | cut -d ' ' -f 1)
    [ $((bar)) -gt 0 ] || { echo "the VF has no BAR"; return 1; }
    /usr/bin/setpci -s $vf BASE_ADDRESS_0=$(printf %08x $((bar & 0xffffffff))) || return 1
    /usr/bin/setpci -s $vf BASE_ADDRESS_1=$(printf %08x $((bar >> 32))) || return 1
    /usr/bin/setpci -s $vf COMMAND=6:6 || return 1
    detail "BAR at $bar"
}

vf_gets_a_driver() {
    # By name, because drivers do not take VFs by themselves as long as the PF's autoprobe is off.
    echo nvme >$devices/$vf/driver_override || return 1
    echo $vf >/sys/bus/pci/drivers/nvme/bind || return 1
    wait_for 60 test -e $devices/$vf/nvme || return 1
    controller=$(ls $devices/$vf/nvme)
    wait_for 60 grep -q live "/sys/class/nvme/$controller/state" || return 1
    # Both controllers are paths to one namespace, and a path is not a disk of its own.
    ls -d /sys/class/nvme/*/nvme*c*n* /sys/class/block/nvme*
    detail "$controller, $(ls -d /sys/class/nvme/nvme* | wc -l) controllers"
    [ "$(ls -d /sys/class/nvme/nvme* | wc -l)" = 2 ]
}

# Identify of both, by their own admin queues.
both_answer() {
    for controller in /sys/class/nvme/nvme*; do
        nvme id-ctrl "/dev/$(basename "$controller")" | grep -E '^(cntlid|subnqn|sn) ' | tee -a /tmp/ids
    done
    [ "$(grep -c '^cntlid' /tmp/ids)" = 2 ] && [ "$(grep '^cntlid' /tmp/ids | sort -u | wc -l)" = 2 ]
}

disables() {
    echo 0 >$devices/$pf/sriov_numvfs || return 1
    [ ! -e $devices/$vf ] || return 1
    dd if=/dev/nvme0n1 of=/dev/null bs=64k count=4 iflag=direct
}

check sriov-capability 60 has_the_capability || return 0
check sriov-enable 60 enables || return 0
check vf-driver 120 vf_gets_a_driver
check identify-both 60 both_answer
check sriov-disable 60 disables
# The kernel says so of every controller without SGLs.
check kernel-log 10 kernel_log_is_clean 'using unchecked data buffer'
