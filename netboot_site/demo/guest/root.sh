#!/bin/busybox sh
# The first program of the system on the iSCSI disk: leaves its mark on the disk and says that it is up.
/bin/busybox mount -t proc proc /proc # its shell runs its own programs through /proc/self/exe
exec </dev/console >/dev/console 2>&1
say() { echo "netboot-demo: $*"; }
mount -t sysfs sys /sys
mount -t tmpfs run /run
{ read -r mac; read -r portal; read -r nic; read -r root; } </boot
option() { tr ' ' '\n' </proc/cmdline | sed -n "s/^$1=//p"; }

boot_id=$(cat /proc/sys/kernel/random/boot_id)
echo "booted $boot_id mac $mac" | dd of=/marker oflag=append conv=notrunc,fsync 2>/dev/null ||
    say "FAILED: the marker could not be written"
say "marker $boot_id is on the disk"

# Not `wget -T`: with it this busybox ends with a segmentation fault.
port=$(option nb.port)
if timeout 10 /bin/busybox wget -q -O /dev/null "http://$portal:${port:-8080}/boot/online?mac=$mac"; then
    say "told $portal that the system is up"
else
    say "could not tell $portal that the system is up"
fi
say "root is on iSCSI ($root from $portal) after $(cut -d' ' -f1 /proc/uptime) s"

interval=$(option nb.writer)
if [ -n "$interval" ]; then
    # While iscsid takes the connection over, the disk answers nothing: all that it needs lies in memory.
    home=/run/iscsid
    mkdir -p $home/sbin $home/run/lock/iscsi $home/proc $home/sys $home/dev
    cp -a /sbin/iscsid $home/sbin && cp -a /lib /lib64 /etc $home
    for folder in proc sys dev; do mount -o bind /$folder $home/$folder; done
    LD_LIBRARY_PATH=/lib chroot $home /sbin/iscsid -c /etc/iscsi/iscsid.conf -i /etc/iscsi/initiatorname.iscsi
    say "iscsid is started"
    touch /records
    number=$(($(wc -l </records) + 1))
    while :; do
        if printf '%08d\n' $number | dd of=/records oflag=append conv=notrunc,fsync 2>/dev/null; then
            say "record $number"
            number=$((number + 1))
        else
            say "FAILED: record $number was refused"
        fi
        sleep "$interval"
    done
fi
while :; do sleep 3600; done
