#!/bin/busybox sh
# The first program of the virtual PC: from the boot firmware's table (iBFT) to a root file system on iSCSI.
# /dev/kmsg would be rate-limited; /dev/console is the serial line.
say() { echo "netboot-demo: $*"; }
stop() { say "FAILED: $*"; dmesg | tail -n 30; sleep 3; poweroff -f; sleep 3600; }

/bin/busybox mount -t proc proc /proc # its shell runs its own programs through /proc/self/exe
mount -t devtmpfs dev /dev
mount -t sysfs sys /sys
exec </dev/console >/dev/console 2>&1
say "kernel is up after $(cut -d' ' -f1 /proc/uptime) s"

while read -r module; do
    insmod "/modules/$module" || stop "the module $module could not be loaded"
done </modules/order

ibft=/sys/firmware/ibft
[ -d $ibft/target0 ] || stop "the boot loader left no iBFT"
portal=$(cat $ibft/target0/ip-addr)

read_nic() { cat "$ibft/ethernet0/$1" 2>/dev/null; }
mac=$(read_nic mac)
for path in /sys/class/net/*; do
    [ "$(cat "$path/address")" = "$mac" ] && nic=${path##*/}
done
[ -n "$nic" ] || stop "no network card has the MAC address $mac"
ip link set lo up
address=$(read_nic ip-addr)
gateway=$(read_nic gateway)
if [ -n "$address" ] && [ "$address" != 0.0.0.0 ]; then
    ifconfig "$nic" "$address" netmask "$(read_nic subnet-mask)" up
    [ -n "$gateway" ] && [ "$gateway" != 0.0.0.0 ] && route add default gw "$gateway"
else
    ip link set "$nic" up
    udhcpc -q -n -i "$nic" -s /udhcpc.sh || stop "no DHCP server answered"
fi
say "network $nic has $(ip -4 -o addr show dev "$nic" | awk '{print $4}')"

iscsistart -b || iscsistart -b || stop "the login to the iSCSI target $portal failed"
tries=0
while ! root=$(findfs LABEL=nbroot 2>/dev/null); do
    tries=$((tries + 1))
    [ $tries -gt 200 ] && stop "the iSCSI disk did not appear"
    usleep 50000
done
# open-iscsi's README, section 8: a root disk waits for its server instead of failing.
echo 86400 >/sys/class/iscsi_session/session1/recovery_tmo
mount -t ext4 "$root" /root || stop "$root could not be mounted"
printf '%s\n%s\n%s\n%s\n' "$mac" "$portal" "$nic" "$root" >/root/.boot.new && mv /root/.boot.new /root/boot
mount -o move /dev /root/dev
umount /sys /proc
exec /bin/busybox switch_root /root /sbin/init
