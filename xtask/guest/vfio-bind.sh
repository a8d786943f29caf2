# The kernel's vfio-pci takes the device: sourced by scripts whose driver is ours, in user space.

pci=0000:01:00.0
device=vfio:$pci

vfio_takes_it() {
    modprobe vfio_iommu_type1 && modprobe vfio-pci || return 1
    [ -e /sys/bus/pci/devices/$pci/iommu_group ] || { echo "$pci is in no IOMMU group"; return 1; }
    if [ -e /sys/bus/pci/devices/$pci/driver ]; then
        echo $pci >/sys/bus/pci/devices/$pci/driver/unbind || return 1
    fi
    echo vfio-pci >/sys/bus/pci/devices/$pci/driver_override || return 1
    echo $pci >/sys/bus/pci/drivers_probe || return 1
    group=$(basename "$(readlink /sys/bus/pci/devices/$pci/iommu_group)")
    wait_for 10 test -c "/dev/vfio/$group" || return 1
    detail "/dev/vfio/$group"
}
