#!/bin/busybox sh
# udhcpc calls it with the lease in its environment.
[ "$1" = bound ] || exit 0
ifconfig "$interface" "$ip" netmask "$subnet" up
[ -n "$router" ] && route add default gw ${router%% *}
exit 0
