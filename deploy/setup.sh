#!/bin/bash
# Installs what is missing, and nothing else: Debian packages, system users, the virtual environment.
# setup.sh         what `make up` needs
# setup.sh test    also what `make test`, `make demo` and `make bench` need
# Works on a bare Debian 12 or Ubuntu. With nothing missing it uses no network and takes under a second.
set -euo pipefail
umask 022
cd "$(dirname "$(readlink -f "$0")")/.."

readonly POLICY=/usr/sbin/policy-rc.d
readonly POLICY_MARK='# netboot-orchestrator: no service starts while its packages are installed'
readonly CLUSTER_CONF=/etc/postgresql-common/createcluster.d/netboot-orchestrator.conf
readonly LOG=${TMPDIR:-/tmp}/netboot-setup.$$.log

lists=(deploy/packages-runtime.txt)
lock=requirements.lock
if [ "${1:-}" = test ]; then
    lists+=(deploy/packages-test.txt)
    lock=requirements-dev.lock
fi

say() { echo "setup: $*"; }

fail() {
    say "$*" >&2
    exit 1
}

is_root() { [ "$(id -u)" = 0 ]; }

# Runs a step quietly; shows the end of its output only if it fails.
quietly() {
    local what=$1
    shift
    if ! "$@" >"$LOG" 2>&1 </dev/null; then
        tail -n 25 "$LOG" >&2
        fail "$what failed; its last lines are above."
    fi
}

clean_up() {
    rm -f "$LOG" "$CLUSTER_CONF"
    if grep -qsxF "$POLICY_MARK" "$POLICY"; then rm -f "$POLICY"; fi
}

missing_packages() {
    local wanted
    wanted=$(sed 's/#.*//' "${lists[@]}" | xargs -n1 | sort -u)
    comm -23 <(echo "$wanted") <(installed_of $wanted)
}

installed_of() {
    { dpkg-query -W -f='${db:Status-Status} ${Package}\n' "$@" 2>/dev/null || true; } |
        sed -n 's/^installed //p' | sort -u
}

# Debian starts and enables a service when its package is installed. policy-rc.d (Debian Policy 9.3.3.1) forbids the
# start; one that was there before is somebody else's decision and stays as it is.
forbid_service_starts() {
    trap clean_up EXIT
    if [ ! -e "$POLICY" ]; then
        printf '#!/bin/sh\n%s\nexit 101\n' "$POLICY_MARK" >"$POLICY"
        chmod 755 "$POLICY"
    fi
    mkdir -p "$(dirname "$CLUSTER_CONF")"
    echo "create_main_cluster = false" >"$CLUSTER_CONF"
}

# systemd's links, and those of a System V init (rc(8)).
enabled_units() { find /etc/systemd/system /etc/rc?.d -type l ! -name 'K*' 2>/dev/null | sort || true; }

# Only links that this installation made are taken back; a unit that was enabled before stays as it was.
disable_new_units() {
    local link
    comm -13 <(echo "$1") <(enabled_units) | while read -r link; do
        case $link in
        /etc/rc?.d/S*) mv "$link" "${link%/S*}/K01${link##*/S??}" ;; # how `update-rc.d NAME disable` notes it
        *) rm -f "$link" ;;
        esac
    done
    if [ -d /run/systemd/system ]; then systemctl daemon-reload || true; fi
}

install_packages() {
    local missing=("$@") before
    if ! is_root; then
        say "these Debian packages are missing: ${missing[*]}" >&2
        fail "install them with: sudo apt-get install --no-install-recommends ${missing[*]}"
    fi
    export DEBIAN_FRONTEND=noninteractive
    forbid_service_starts
    before=$(enabled_units)
    say "fetching Debian's package lists ..."
    quietly "apt-get update" apt-get update -q -o DPkg::Lock::Timeout=300
    say "installing ${#missing[@]} Debian packages: ${missing[*]} ..."
    quietly "apt-get install" apt-get install -q -y --no-install-recommends \
        -o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confold "${missing[@]}"
    disable_new_units "$before"
}

ensure_users() {
    local name
    for name in netboot netboot-storage; do
        id "$name" >/dev/null 2>&1 && continue
        say "creating the system user $name ..."
        quietly "useradd $name" useradd --system --user-group --no-create-home --home-dir /nonexistent \
            --shell /usr/sbin/nologin "$name"
    done
}

# The distribution's own Python: the service users must be able to run it, wherever a person's other one lies.
ensure_virtual_environment() {
    local python stamp wanted
    python=$(readlink -f /usr/bin/python3)
    stamp=.venv/.installed-$lock
    wanted="$python $(sha256sum <"$lock")"
    if [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then return; fi
    if [ "$(readlink -f .venv/bin/python3)" != "$python" ] || ! .venv/bin/python3 -m pip --version >/dev/null 2>&1; then
        say "creating the virtual environment .venv ..."
        quietly "python3 -m venv" /usr/bin/python3 -m venv --clear .venv
    fi
    say "installing $(grep -c '^[a-z]' "$lock") Python packages into .venv ..."
    quietly "pip install" .venv/bin/python3 -m pip install --quiet --disable-pip-version-check --no-input \
        --require-hashes -r "$lock"
    echo "$wanted" >"$stamp"
}

# What Raspberry Pis are served from. Everything else works without it, so a failure is no error.
ensure_pi_packages() {
    local sources=bootflow/raspberry_pi/waiting
    if [ -f var/arm64/prepared ] && [ -z "$(find $sources -name '*.[ps]?' -newer var/arm64/prepared)" ]; then return; fi
    say "fetching Debian's arm64 packages for Raspberry Pis, and making their waiting system ready ..."
    if ! .venv/bin/python3 -m bootflow.raspberry_pi.waiting.prepare var/arm64 2>"$LOG" </dev/null; then
        say "warning: $(tail -n 1 "$LOG") Until then Raspberry Pis cannot boot from iSCSI disks." >&2
    fi
}

# The virtual PC's kernel and iSCSI initiator are kept in the project's folder and never installed.
ensure_guest() {
    if [ -d var/demo/packages ]; then return; fi
    say "fetching the virtual PC's kernel and iSCSI initiator ..."
    quietly "apt-get update" apt-get update -q -o DPkg::Lock::Timeout=300
    quietly "fetching them" .venv/bin/python3 -m netboot_site.demo.packages
}

# The parts of the disks that tests boot as a Raspberry Pi's.
ensure_pi_guest() {
    if [ -d var/pi/packages ]; then return; fi
    say "fetching the parts of the tests' Raspberry Pi OS ..."
    quietly "fetching them" .venv/bin/python3 -m tests.pi.packages
}

mapfile -t missing < <(missing_packages)
trap 'rm -f "$LOG"' EXIT
if [ "${#missing[@]}" -gt 0 ]; then install_packages "${missing[@]}"; fi
if is_root; then ensure_users; fi
ensure_virtual_environment
ensure_pi_packages
if is_root && [ "$lock" = requirements-dev.lock ]; then
    ensure_guest
    ensure_pi_guest
fi
