# ext4 and xfs: a tree of files that is still there, bit for bit, after the file system was left.
. /driver.sh

makes() {
    case $1 in
    # By its path: busybox has one of its own.
    ext4) /usr/sbin/mke2fs -q -t ext4 -F /dev/nvme0n1 ;;
    xfs) mkfs.xfs -q -f /dev/nvme0n1 ;;
    esac && mount -t "$1" /dev/nvme0n1 /mnt
}

# A tree of small, middling and large files, and their checksums on the other side.
fills() {
    for folder in 1 2 3 4 5; do
        mkdir -p "/mnt/$folder/deeper"
        for file in $(seq 40); do
            head -c $((file * 331 * folder)) /dev/urandom >"/mnt/$folder/deeper/$file" || return 1
        done
    done
    cp -r /usr/sbin /usr/lib /mnt/ || return 1
    head -c 20m /dev/urandom >/mnt/large || return 1
    rm -r /mnt/3 && mv /mnt/4 /mnt/2/moved || return 1
    (cd /mnt && find . -type f -print0 | xargs -0 sha256sum) >/tmp/sums
    detail "$(wc -l </tmp/sums) files, $(du -sm /mnt | cut -f 1) MiB"
    umount /mnt
}

finds_again() {
    echo 3 >/proc/sys/vm/drop_caches
    mount -t "$1" /dev/nvme0n1 /mnt || return 1
    (cd /mnt && sha256sum -c /tmp/sums >/tmp/checked) || { grep -v ': OK' /tmp/checked; return 1; }
    [ "$(find /mnt -type f | wc -l)" = "$(wc -l </tmp/sums)" ] || return 1
    umount /mnt
}

is_sound() {
    case $1 in
    ext4) e2fsck -f -n /dev/nvme0n1 ;;
    xfs) xfs_repair -n /dev/nvme0n1 ;;
    esac
}

for kind in ext4 xfs; do
    check "$kind-mkfs" 120 makes $kind || continue
    check "$kind-files" 240 fills
    check "$kind-remount" 240 finds_again $kind
    check "$kind-fsck" 120 is_sound $kind
done
check kernel-log 10 kernel_log_is_clean
