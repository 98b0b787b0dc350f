#!/bin/busybox sh
# udhcpc calls it with the lease in its environment, again and again while the lease is renewed.
case $1 in
bound | renew)
    ifconfig "$interface" "$ip" netmask "${subnet:-255.255.255.0}" up
    route del default dev "$interface" 2>/dev/null
    [ -n "$router" ] && route add default gw "${router%% *}" dev "$interface"
    echo "$ip" >"/run/lease.$interface"
    ;;
deconfig)
    rm -f "/run/lease.$interface"
    ifconfig "$interface" 0.0.0.0 up
    ;;
esac
exit 0
