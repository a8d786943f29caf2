# Our driver and store in the guest's user space, on the kernel's own vfio-pci, behind an IOMMU.
. /vfio-bind.sh

identifies() {
    rdstore device identify --device $device
}

# stores HOW: the YCSB workload A with every result checked.
stores() {
    rdstore ycsb --device "$device?poll=$1" --workload a --clients 2 --records 500 --ops "$2" --verify --json >/tmp/ycsb ||
        { cat /tmp/ycsb; return 1; }
    cat /tmp/ycsb
    detail "$2 operations checked"
}

keeps_what_is_put() {
    rdstore put --device $device greeting hello && [ "$(rdstore get --device $device greeting)" = hello ] || return 1
    rdstore fsck --device $device
}

# Interrupts of the device that the kernel has counted.
interrupts() {
    awk '/vfio-msix/ { for (i = 2; i <= NF; i++) if ($i ~ /^[0-9]+$/) sum += $i } END { print sum + 0 }' /proc/interrupts
}

# A command whose data would go to memory that is not mapped for the device.
stray_dma_is_stopped() {
    stray_dma $pci
}

check vfio-pci 60 vfio_takes_it || return 0
check identify 60 identifies
check stray-dma 60 stray_dma_is_stopped
check format 120 rdstore format --device $device
check put-and-get 120 keeps_what_is_put
check ycsb-polled 300 stores spin 2000
check ycsb-msix 300 stores interrupt 1000
check kernel-log 10 kernel_log_is_clean
