#!/bin/busybox sh
# The first program of the built disk: leaves its mark on the disk, says that it is up, tells the server.
/bin/busybox mount -t proc proc /proc 2>/dev/null
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
say() {
    echo "pi-guest: $*" >/dev/console
    echo "<5>pi-guest: $*" >/dev/kmsg
}
option() { tr ' ' '\n' </proc/cmdline | sed -n "s/^$1=//p" | tail -n 1; }

mount -o remount,rw / || say "FAILED: the root file system stays read-only"
boot_id=$(cat /proc/sys/kernel/random/boot_id)
root=$(awk '$2 == "/" { device = $1 } END { print device }' /proc/mounts)
echo "booted $boot_id from $root" | dd of=/marker oflag=append conv=notrunc,fsync 2>/dev/null ||
    say "FAILED: the marker could not be written"
cp /etc/fstab /fstab-seen
sync
say "marker $boot_id is on the disk"

url=$(option netboot.url)
mac=$(option netboot.mac)
if [ -n "$url" ]; then
    # Not `wget -T`: with it this busybox ends with a segmentation fault.
    if timeout 20 /bin/busybox wget -q -O /dev/null "${url}online?mac=$mac"; then
        say "told $url that the system is up"
    else
        say "could not tell $url that the system is up"
    fi
fi
say "root is $root after $(cut -d' ' -f1 /proc/uptime) s"
[ "$(option pi-guest.end)" = poweroff ] && sync && poweroff -f
interval=$(option pi-guest.writer)
number=1
while [ -n "$interval" ]; do
    echo $number | dd of=/records oflag=append conv=notrunc,fsync 2>/dev/null && say "record $number"
    number=$((number + 1))
    sleep "$interval"
done
while :; do sleep 3600; done
