#!/netboot/busybox sh
# Sets the address that the DHCP server gave, and notes it where initramfs-tools and what it starts look for it.
[ "$1" = bound ] || [ "$1" = renew ] || exit 0
box=/netboot/busybox
$box ip address flush dev "$interface" scope global
$box ip address add "$ip/${mask:-24}" broadcast + dev "$interface" || exit 1
for gateway in $router; do
	$box ip route replace default via "$gateway" dev "$interface"
	break
done
$box cat >"/run/net-$interface.conf" <<END
DEVICE='$interface'
PROTO='dhcp'
IPV4ADDR='$ip'
IPV4BROADCAST='$broadcast'
IPV4NETMASK='$subnet'
IPV4GATEWAY='${router%% *}'
IPV4DNS0='${dns%% *}'
IPV4DNS1=''
HOSTNAME=''
DNSDOMAIN=''
NISDOMAIN=''
ROOTSERVER='$serverid'
ROOTPATH=''
filename=''
UPTIME=''
DHCPLEASETIME='$lease'
DOMAINSEARCH=''
END
