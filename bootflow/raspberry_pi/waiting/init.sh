#!/bin/busybox sh
# The only process of the waiting system: asks the orchestrator what to do, shows the answer, restarts when told.
/bin/busybox mount -t proc proc /proc # its shell runs its own programs through /proc/self/exe
mount -t devtmpfs dev /dev
mount -t sysfs sys /sys

# Every console shows what is said to the kernel with a priority above that of its own messages.
say() { printf '<1>%s\n' "$1" >/dev/kmsg; }
option() { tr ' ' '\n' </proc/cmdline | sed -n "s/^$1=//p" | head -n 1; }
load() { while read -r module; do insmod "/modules/$module" || say "The module $module could not be loaded."; done; }
property() { tr -d '\0' <"/proc/device-tree/$1" 2>/dev/null; }
# Percent-encoded, but for what a query may hold as it is (RFC 3986).
encoded() {
    printf '%s' "$1" | hexdump -v -e '/1 "%02x\n"' | while read -r octet; do
        case $octet in
        3[0-9] | 4[1-9a-f] | 5[0-9a] | 6[1-9a-f] | 7[0-9a] | 2[de]) printf "\\x$octet" ;;
        *) printf '%%%s' "$octet" ;;
        esac
    done
}

# Says it on all consoles if it is new, and once a minute: somebody may plug a display in.
show() {
    [ "$1" = "$shown" ] && [ $((shows += 1)) -lt 20 ] && return
    shown=$1 shows=0
    printf '\033[2J\033[H' >/dev/tty1 2>/dev/null
    printf '%s\n' "$1" | while IFS= read -r line; do say "$line"; done
}

# A Pi has one wired card; whatever else is plugged in is asked, too.
start_networks() {
    for path in /sys/class/net/*; do
        name=${path##*/}
        [ -e "$path/device" ] && [ ! -e "$path/wireless" ] && [ ! -e "/run/started.$name" ] || continue
        touch "/run/started.$name"
        started=yes
        ip link set "$name" up
        udhcpc -f -i "$name" -s /udhcpc.sh -t 5 -T 2 -A 3 >/dev/null 2>&1 &
    done
}

find_network() {
    for path in /run/lease.*; do
        [ -e "$path" ] || continue
        mac=$(cat "/sys/class/net/${path##*/lease.}/address")
        return 0
    done
    return 1
}

ask() {
    question="mac=$mac&system=waiting&retry=$retry&$board"
    answer=$(timeout 20 wget -q -O - "${url}pi?$question" 2>/dev/null)
    # While the orchestrator is away its web server answers with a script for PCs.
    case $answer in "action "*) return 0 ;; esac
    return 1
}

obey() {
    action= seconds=3 said=
    while read -r word rest; do
        case $word in
        action) action=$rest ;;
        seconds) seconds=$rest ;;
        say) said="$said
$rest" ;;
        esac
    done <<END
$answer
END
    case $seconds in "" | *[!0-9]* | ????*) seconds=3 ;; esac
    show "$title$said"
    [ "$action" = restart ] && restart
}

restart() {
    sleep "$seconds"
    sync
    reboot -f
    sleep 5
    echo b >/proc/sysrq-trigger
}

load </modules/network
load </modules/display &
ip link set lo up
url=$(option netboot.url)
title="Netboot Orchestrator: this Raspberry Pi waits for its disk."
board="serial=$(encoded "$(property serial-number)")&model=$(encoded "$(property model)")"
board="$board&revision=$(hexdump -v -e '/1 "%02x"' /proc/device-tree/system/linux,revision 2>/dev/null)"
retry=0
while :; do
    start_networks
    seconds=3
    if [ -z "$started" ]; then
        show "$title
No wired network card has been found. Looking again."
    elif ! find_network; then
        show "$title
No DHCP server has answered yet. Asking again."
    elif ask; then
        retry=$((retry + 1))
        obey
    else
        show "$title
The server does not answer at $url. Asking again."
    fi
    sleep "$seconds"
done
