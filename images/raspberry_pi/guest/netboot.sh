# -*- shell-script -*-
# Sourced by the init of initramfs-tools for boot=netboot (busybox's or klibc's sh): the network, the check-in
# and the iSCSI login come first, then the image's own way of mounting its root goes on as it is.
# Nothing here ends in a shell: whatever fails is said and tried again, for ever.
# Its programs lie in /netboot, since those of the image's own initramfs differ from image to image.

. /scripts/local

netboot_box=/netboot/busybox
netboot_retry_seconds=5
netboot_restart_seconds=30
netboot_unanswered_most=5 # then it goes on without the check-in
netboot_refused_most=3    # then it restarts: a newer secret comes with the command line

# printf, since klibc's echo makes something else of a backslash.
netboot_say()
{
	printf '<5>netboot: %s\n' "$*" >/dev/kmsg
	# A quiet kernel shows what is in its log on no console.
	[ "${netboot_shown}" -gt 5 ] && return
	while read -r netboot_console netboot_rest; do
		printf 'netboot: %s\n' "$*" >"/dev/${netboot_console}"
	done </proc/consoles 2>/dev/null
	return 0
}

netboot_restart()
{
	netboot_say "$* Restarting in ${netboot_restart_seconds} seconds."
	${netboot_box} sleep ${netboot_restart_seconds}
	while true; do
		${netboot_box} reboot -f
		${netboot_box} sleep 5
	done
}

# In the place of a shell that nobody would see.
if [ -z "${break}" ]; then
	panic()
	{
		netboot_restart "The system cannot be started: $*"
	}
fi

netboot_prepare()
{
	echo on >/proc/sys/kernel/printk_devkmsg 2>/dev/null
	read -r netboot_shown netboot_rest </proc/sys/kernel/printk
	netboot_retry=0
	set -f # a secret may look like a pattern
	for netboot_word in $(cat /proc/cmdline); do
		case "${netboot_word}" in
		netboot.url=*) netboot_url="${netboot_word#*=}" ;;
		netboot.mac=*) netboot_mac="${netboot_word#*=}" ;;
		iscsi_initiator=*) netboot_initiator="${netboot_word#*=}" ;;
		iscsi_target_name=*) netboot_target="${netboot_word#*=}" ;;
		iscsi_target_ip=*) netboot_portal="${netboot_word#*=}" ;;
		iscsi_target_port=*) netboot_port="${netboot_word#*=}" ;;
		iscsi_target_group=*) netboot_group="${netboot_word#*=}" ;;
		iscsi_username=*) netboot_username="${netboot_word#*=}" ;;
		iscsi_password=*) netboot_password="${netboot_word#*=}" ;;
		esac
	done
	set +f
	[ -n "${netboot_target}" ] && [ -n "${netboot_portal}" ] ||
		netboot_restart "The command line names no iSCSI disk."
}

netboot_load_modules()
{
	netboot_folder="/netboot/modules/$(${netboot_box} uname -r)"
	if [ ! -e "${netboot_folder}/order" ]; then
		netboot_say "There are no modules for this kernel; going on with what it has built in."
		return
	fi
	while read -r netboot_module; do
		# One that the image's own initramfs has loaded already is refused.
		${netboot_box} insmod "${netboot_folder}/${netboot_module}" 2>/dev/null
	done <"${netboot_folder}/order"
	# What the image's own initramfs may have besides.
	/sbin/modprobe -q iscsi_tcp 2>/dev/null || true
}

# Sets netboot_nic to the card that the firmware booted from, else to the only one there is.
netboot_find_nic()
{
	netboot_nic=
	for netboot_path in /sys/class/net/*; do
		[ -e "${netboot_path}/device" ] || continue
		read -r netboot_address <"${netboot_path}/address"
		if [ -z "${netboot_mac}" ] || [ "${netboot_address}" = "${netboot_mac}" ]; then
			netboot_nic="${netboot_path##*/}"
			return 0
		fi
	done
	return 1
}

netboot_lease()
{
	${netboot_box} ip link set "${netboot_nic}" up
	${netboot_box} udhcpc -q -n -f -t 8 -T 2 -A 1 -i "${netboot_nic}" -s /netboot/udhcpc.sh >/dev/null 2>&1 &&
		[ -e "/run/net-${netboot_nic}.conf" ]
}

# The card is looked for again each time: udev gives it another name soon after it has appeared.
netboot_connect()
{
	netboot_waited=0
	${netboot_box} ip link set lo up
	wait_for_udev 10
	until netboot_find_nic && netboot_lease; do
		if [ -n "${netboot_nic}" ]; then
			netboot_say "No DHCP server answers on ${netboot_nic}; asking again."
		elif [ $((netboot_waited % 30)) = 10 ]; then
			netboot_say "Still waiting for a network card with the address ${netboot_mac:-of any kind}."
		fi
		netboot_waited=$((netboot_waited + 1))
		${netboot_box} sleep 1
		wait_for_udev 10
	done
	. "/run/net-${netboot_nic}.conf"
	netboot_say "${netboot_nic} has the address ${IPV4ADDR}."
}

# A text of the device tree, for a query string: letters, digits and dots stay, the rest becomes a plus.
netboot_tree_text()
{
	${netboot_box} tr -d '\000' <"/proc/device-tree/$1" 2>/dev/null | ${netboot_box} tr -c 'A-Za-z0-9.' '+'
}

netboot_ask()
{
	netboot_revision=$(${netboot_box} hexdump -v -e '1/1 "%02x"' /proc/device-tree/system/linux,revision 2>/dev/null)
	netboot_query="mac=${netboot_mac}&serial=$(netboot_tree_text serial-number)"
	netboot_query="${netboot_query}&model=$(netboot_tree_text model)&revision=${netboot_revision}"
	netboot_query="${netboot_query}&system=initramfs&retry=${netboot_retry}"
	# Not `wget -T`: with it some builds of busybox end with a segmentation fault.
	${netboot_box} timeout 15 ${netboot_box} wget -q -O /run/netboot-answer "${netboot_url}pi?${netboot_query}" 2>/dev/null ||
		return 1
	# While the orchestrator is away its web server answers with a script for PCs.
	read -r netboot_key netboot_value </run/netboot-answer && [ "${netboot_key}" = action ]
}

# Sets netboot_action and netboot_seconds, and says what the server wants said once.
netboot_read_answer()
{
	netboot_action=boot
	netboot_seconds=${netboot_retry_seconds}
	netboot_words=
	while read -r netboot_key netboot_value; do
		case "${netboot_key}" in
		action) netboot_action="${netboot_value}" ;;
		seconds) netboot_seconds="${netboot_value}" ;;
		say) netboot_words="${netboot_words}${netboot_words:+ }${netboot_value}" ;;
		esac
	done </run/netboot-answer
	case "${netboot_seconds}" in
	"" | *[!0-9]* | ????*) netboot_seconds=${netboot_retry_seconds} ;;
	esac
	if [ -n "${netboot_words}" ] && [ "${netboot_words}" != "${netboot_said}" ]; then
		netboot_said="${netboot_words}"
		netboot_say "${netboot_words}"
	fi
}

netboot_check_in()
{
	[ -n "${netboot_url}" ] || return 0
	netboot_unanswered=0
	while true; do
		if netboot_ask; then
			netboot_unanswered=0
			netboot_read_answer
			case "${netboot_action}" in
			boot) return 0 ;;
			restart) netboot_restart "The server asks for a restart." ;;
			esac
		else
			netboot_unanswered=$((netboot_unanswered + 1))
			netboot_seconds=${netboot_retry_seconds}
			netboot_say "The server at ${netboot_url} does not answer."
			if [ "${netboot_unanswered}" -ge "${netboot_unanswered_most}" ]; then
				netboot_say "Going on without its answer."
				return 0
			fi
		fi
		netboot_retry=$((netboot_retry + 1))
		${netboot_box} sleep "${netboot_seconds}"
	done
}

# open-iscsi's README, chapter 8: a root disk waits for its server instead of failing.
netboot_iscsistart()
{
	/netboot/lib/ld-linux-aarch64.so.1 --library-path /netboot/lib /netboot/iscsistart \
		-i "${netboot_initiator}" -t "${netboot_target}" -g "${netboot_group:-1}" \
		-a "${netboot_portal}" -p "${netboot_port:-3260}" \
		${netboot_username:+-u "${netboot_username}"} ${netboot_password:+-w "${netboot_password}"} \
		-P node.session.timeo.replacement_timeout=86400 -P node.session.initial_login_retry_max=2 \
		-P 'node.conn[0].timeo.noop_out_interval=0' -P 'node.conn[0].timeo.noop_out_timeout=0' \
		>/run/netboot-login 2>&1
}

netboot_reason()
{
	${netboot_box} sed -n 's/^iscsistart: *//p' /run/netboot-login | ${netboot_box} grep -v '^Logging into' |
		${netboot_box} tr '\n' ' '
}

netboot_log_in()
{
	netboot_refused=0
	while true; do
		netboot_say "Logging in to the disk ${netboot_target} at ${netboot_portal}."
		netboot_iscsistart && return 0
		# It ends with 1 whatever happened, and prints the number (open-iscsi's include/iscsi_err.h).
		case "$(cat /run/netboot-login)" in
		*"(15 - "*) return 0 ;; # the session is there already
		*"(24 - "* | *authenticat* | *authoriz*)
			netboot_say "The server refused this device's CHAP name or secret."
			netboot_refused=$((netboot_refused + 1))
			[ ${netboot_refused} -ge ${netboot_refused_most} ] &&
				netboot_restart "What this device was started with is out of date."
			;;
		*) netboot_say "The login failed and is tried again: $(netboot_reason)" ;;
		esac
		${netboot_box} sleep "${netboot_retry_seconds}"
		netboot_check_in
	done
}

# The stock way gives up after half a minute.
netboot_wait_for_root()
{
	netboot_waited=0
	wait_for_udev 10
	until netboot_root=$(resolve_device "${ROOT}") && get_fstype "${netboot_root}" >/dev/null; do
		[ $((netboot_waited % 30)) = 10 ] &&
			netboot_say "The disk is there, its partition ${ROOT} is not yet."
		netboot_waited=$((netboot_waited + 1))
		${netboot_box} sleep 1
	done
	netboot_say "The root file system is on ${netboot_root}."
}

# The disk was made for an SD card: lines of its /etc/fstab that name the card are shown to the system as
# naming the same partition of this disk, or not at all. The disk itself is not changed.
netboot_write_fstab()
{
	netboot_disk="${netboot_root%%[0-9]*}"
	while IFS= read -r netboot_line || [ -n "${netboot_line}" ]; do
		case "${netboot_line}" in
		/dev/mmcblk0p[0-9]*)
			# Not by the shell's own means: klibc's loses what is behind the number.
			netboot_number=$(printf '%s\n' "${netboot_line}" | ${netboot_box} sed 's,^/dev/mmcblk0p\([0-9]*\).*,\1,')
			if [ -b "${netboot_disk}${netboot_number}" ]; then
				printf '%s\n' "${netboot_line}" |
					${netboot_box} sed "s,^/dev/mmcblk0p[0-9]*,${netboot_disk}${netboot_number},"
			else
				printf '%s\n' "# not on this disk: ${netboot_line}"
			fi
			;;
		/dev/mmcblk*) printf '%s\n' "# not on this disk: ${netboot_line}" ;;
		*) printf '%s\n' "${netboot_line}" ;;
		esac
	done <"$1"
}

netboot_correct_fstab()
{
	netboot_fstab="${rootmnt}/etc/fstab"
	[ -f "${netboot_fstab}" ] && [ ! -h "${netboot_fstab}" ] || return 0
	${netboot_box} grep -q '^/dev/mmcblk' "${netboot_fstab}" || return 0
	netboot_write_fstab "${netboot_fstab}" >/run/netboot-fstab
	${netboot_box} mount -o bind /run/netboot-fstab "${netboot_fstab}" &&
		netboot_say "/etc/fstab is shown with this disk in the SD card's place."
}

# Without iscsid a kernel never connects again to a server that was away for a moment. It runs beside the image's
# own system, from memory, since its disk answers nothing while it is needed; an image that brings its own keeps it.
netboot_keep_connected()
{
	[ -e "${rootmnt}/sbin/iscsid" ] || [ -e "${rootmnt}/usr/sbin/iscsid" ] && return 0
	netboot_home=/run/netboot
	${netboot_box} mkdir -p ${netboot_home}
	# /run itself lets nothing be executed.
	${netboot_box} mount -t tmpfs -o mode=0700,size=32M netboot ${netboot_home}
	${netboot_box} mkdir -p ${netboot_home}/etc/iscsi ${netboot_home}/run/lock/iscsi ${netboot_home}/sbin
	${netboot_box} cp -a /netboot/lib ${netboot_home}/lib
	# systemd-shutdown(8) spares a process of this name, which the disk needs to the end.
	${netboot_box} cp /netboot/iscsid ${netboot_home}/sbin/@iscsid
	${netboot_box} cp /netboot/iscsid.conf ${netboot_home}/etc/iscsi/
	echo "InitiatorName=${netboot_initiator}" >${netboot_home}/etc/iscsi/initiatorname.iscsi
	echo "root:x:0:0:root:/:/bin/sh" >${netboot_home}/etc/passwd
	for netboot_folder in proc sys dev; do
		${netboot_box} mkdir -p ${netboot_home}/${netboot_folder}
		${netboot_box} mount -o bind /${netboot_folder} ${netboot_home}/${netboot_folder}
	done
	LD_LIBRARY_PATH=/lib PATH=/sbin ${netboot_box} chroot ${netboot_home} @iscsid \
		-c /etc/iscsi/iscsid.conf -i /etc/iscsi/initiatorname.iscsi >/run/netboot-iscsid 2>&1 ||
		netboot_say "iscsid does not run; a disk whose server goes away stays away."
}

mount_top()
{
	netboot_prepare
	netboot_say "Starting from the network."
	netboot_load_modules
	netboot_connect
	netboot_check_in
	netboot_log_in
	local_top
	netboot_wait_for_root
}

# A login alone does not tell the server that the disk held a system.
netboot_report()
{
	[ -n "${netboot_url}" ] || return 0
	for netboot_try in 1 2 3; do
		${netboot_box} timeout 5 ${netboot_box} wget -q -O /dev/null \
			"${netboot_url}online?mac=${netboot_mac}&at=root" 2>/dev/null && return 0
	done
	return 0
}

mountroot()
{
	local_mount_root
	netboot_keep_connected
	netboot_correct_fstab
	netboot_report
}
