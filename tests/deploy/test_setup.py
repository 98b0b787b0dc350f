"""deploy/setup.sh: it installs what is missing and leaves everything else as it was.

The programs that would change this machine are stand-ins that note how they were called; the script itself is
the one that is shipped, with its two folders of the system moved below the test's own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
RUNTIME = [
    line for line in (PROJECT / "deploy/packages-runtime.txt").read_text().splitlines() if line[0] != "#"
]
TESTING = [line for line in (PROJECT / "deploy/packages-test.txt").read_text().splitlines() if line[0] != "#"]
SOURCES = "bootflow/raspberry_pi/waiting"
STAND_IN = """#!/bin/bash
echo "$(basename "$0") $*" >>"$CALLS"
"""
DPKG_QUERY = """#!/bin/bash
for name in "${@:3}"; do
    if grep -qxF "$name" "$INSTALLED"; then echo "installed $name"; else echo "not-installed $name"; fi
done
"""
APT_GET = """#!/bin/bash
echo "apt-get $*" >>"$CALLS"
case " $* " in *" install "*)
    cat "$ROOT/usr/sbin/policy-rc.d" >"$ROOT/policy-seen" 2>&1
    cat "$ROOT/createcluster.d/netboot-orchestrator.conf" >"$ROOT/cluster-seen"
    test -z "${FAILS:-}" || { echo "E: the mirror is away"; exit 100; }
esac
"""
# `pip --version` is only asked for; everything else would install.
PYTHON = """#!/bin/bash
echo "python $*" >>"$CALLS"
"""


@dataclass
class Bench:
    """A copy of the project's scripts, with stand-ins for what changes a system."""

    path: Path
    environment: dict[str, str] = field(default_factory=dict)

    def write(self, name: str, text: str) -> None:
        (self.path / "bin" / name).write_text(text)
        (self.path / "bin" / name).chmod(0o755)

    def run(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {
            **os.environ, "PATH": f"{self.path / 'bin'}:{os.environ['PATH']}", "ROOT": str(self.path),
            "CALLS": str(self.path / "calls"), "INSTALLED": str(self.path / "installed"),
            "TMPDIR": str(self.path / "tmp"), **variables,
        }  # fmt: skip
        argv = ["bash", str(self.path / "project/deploy/setup.sh"), *words]
        return subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=30)

    def install(self, names: list[str]) -> None:
        (self.path / "installed").write_text("".join(f"{name}\n" for name in names))

    @property
    def calls(self) -> list[str]:
        return (self.path / "calls").read_text().splitlines()

    @property
    def policy(self) -> Path:
        return self.path / "usr/sbin/policy-rc.d"


def move_system_folders(path: Path) -> str:
    """The script with what it touches of the system moved below `path`."""
    text = (PROJECT / "deploy/setup.sh").read_text()
    for there, here in (
        ("/usr/sbin/policy-rc.d", f"{path}/usr/sbin/policy-rc.d"),
        ("/etc/postgresql-common/createcluster.d", f"{path}/createcluster.d"),
        ("/etc/systemd/system /etc/rc?.d", f"{path}/units"),
        ("/run/systemd/system", f"{path}/no-systemd"),
    ):
        assert there in text, f"the script no longer names {there}"
        text = text.replace(there, here)
    return text


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    for name in ("bin", "tmp", "usr/sbin", "units", "project/deploy", "project/.venv/bin"):
        (tmp_path / name).mkdir(parents=True)
    made, project = Bench(tmp_path), tmp_path / "project"
    (project / "deploy/setup.sh").write_text(move_system_folders(tmp_path))
    for name in ("deploy/packages-runtime.txt", "deploy/packages-test.txt"):
        (project / name).write_text((PROJECT / name).read_text())
    for name in ("requirements.lock", "requirements-dev.lock"):
        (project / name).write_text("django==5.2.0\n    --hash=sha256:00\nredis==6.0\n")
    for name in ("useradd", "systemctl"):
        made.write(name, STAND_IN)
    made.write("dpkg-query", DPKG_QUERY)
    made.write("apt-get", APT_GET)
    python = project / ".venv/bin/python3"
    python.symlink_to("/usr/bin/python3")
    (project / "var/demo/packages").mkdir(parents=True)
    (project / "var/arm64").mkdir()
    (project / SOURCES).mkdir(parents=True)
    (project / SOURCES / "init.sh").touch()
    (project / "var/arm64/prepared").touch()
    (project / "var/pi/packages").mkdir(parents=True)
    (tmp_path / "calls").touch()
    made.install([*RUNTIME, *TESTING])
    note_packages(made, "requirements.lock")
    note_packages(made, "requirements-dev.lock")
    return made


def note_packages(bench: Bench, lock: str) -> None:
    """As a setup that succeeded leaves it."""
    digest = subprocess.run(
        ["sha256sum"],
        stdin=(bench.path / "project" / lock).open(),
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    python = Path("/usr/bin/python3").resolve()
    (bench.path / f"project/.venv/.installed-{lock}").write_text(f"{python} {digest}\n")


@pytest.fixture
def as_root(bench: Bench) -> Bench:
    bench.write("id", "#!/bin/bash\necho 0\n")  # also: both system users are there
    return bench


@pytest.mark.parametrize("script", sorted(path.name for path in (PROJECT / "deploy").glob("*.sh")))
def test_every_script_is_executable_and_stops_at_an_error(script: str) -> None:
    path = PROJECT / "deploy" / script
    assert os.access(path, os.X_OK), f"{script} cannot be run"
    assert subprocess.run(["bash", "-n", path], timeout=10).returncode == 0
    assert "pipefail" in path.read_text()


def test_no_package_is_named_twice_and_lists_are_sorted() -> None:
    assert not set(RUNTIME) & set(TESTING)
    for names in (RUNTIME, TESTING):
        assert names == sorted(set(names))


@pytest.mark.parametrize("words", [(), ("test",)])
def test_with_nothing_missing_nothing_is_called_and_nothing_said(
    as_root: Bench, words: tuple[str, ...]
) -> None:
    done = as_root.run(*words)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert as_root.calls == []


@pytest.mark.parametrize(
    ("words", "missing"), [((), {"nginx", "tgt"}), (("test",), {"nginx", "tgt", "wrk", "cpio"})]
)
def test_exactly_what_is_missing_is_installed(
    as_root: Bench, words: tuple[str, ...], missing: set[str]
) -> None:
    as_root.install([name for name in (*RUNTIME, *TESTING) if name not in {"nginx", "tgt", "wrk", "cpio"}])
    done = as_root.run(*words)
    assert done.returncode == 0, done.stderr
    update, install = [call for call in as_root.calls if call.startswith("apt-get")]
    assert update.startswith("apt-get update")
    assert {word for word in install.split() if word in {*RUNTIME, *TESTING}} == missing
    assert "--no-install-recommends" in install


def test_a_package_whose_files_were_left_behind_is_missing(as_root: Bench) -> None:
    text = DPKG_QUERY.replace('"not-installed', '"config-files')
    as_root.write("dpkg-query", text)
    as_root.install([name for name in RUNTIME if name != "redis-server"])
    assert as_root.run().returncode == 0
    assert "redis-server" in as_root.calls[-1].split()


@pytest.mark.parametrize("fails", ["", "yes"])
def test_no_service_starts_while_packages_are_installed_and_the_ban_goes_with_it(
    as_root: Bench, fails: str
) -> None:
    as_root.install(RUNTIME[1:])
    done = as_root.run(FAILS=fails)
    assert (done.returncode != 0) is bool(fails)
    assert "exit 101" in (as_root.path / "policy-seen").read_text()
    assert "create_main_cluster = false" in (as_root.path / "cluster-seen").read_text()
    assert not as_root.policy.exists(), "services of this machine could not be installed any more"
    assert not list((as_root.path / "createcluster.d").iterdir())
    assert not list((as_root.path / "tmp").iterdir()), "a log was left"


def test_somebody_elses_ban_on_service_starts_stays(as_root: Bench) -> None:
    as_root.policy.write_text("#!/bin/sh\nexit 104\n")
    as_root.install(RUNTIME[1:])
    assert as_root.run().returncode == 0
    assert as_root.policy.read_text() == "#!/bin/sh\nexit 104\n"


def test_a_failed_installation_ends_with_the_last_words_of_apt(as_root: Bench) -> None:
    as_root.install(RUNTIME[1:])
    done = as_root.run(FAILS="yes")
    assert "E: the mirror is away" in done.stderr
    assert "its last lines are above" in done.stderr


def test_without_root_the_packages_are_named_with_the_command(bench: Bench) -> None:
    bench.write("id", "#!/bin/bash\necho 1000\n")
    bench.install([name for name in RUNTIME if name not in {"nginx", "acl"}])
    done = bench.run()
    assert done.returncode == 1
    assert "sudo apt-get install --no-install-recommends acl nginx" in done.stderr
    assert bench.calls == []


def test_system_users_that_are_missing_are_made_without_a_shell(as_root: Bench) -> None:
    as_root.write("id", '#!/bin/bash\n[ "$*" = -u ] && echo 0 || test "$1" = netboot\n')
    assert as_root.run().stdout == "setup: creating the system user netboot-storage ...\n"
    (made,) = as_root.calls
    assert made.startswith("useradd --system --user-group --no-create-home ")
    assert made.endswith("--shell /usr/sbin/nologin netboot-storage")


def test_a_unit_that_installing_enabled_is_disabled_and_others_stay(as_root: Bench) -> None:
    units = as_root.path / "units"
    (units / "ssh.service").symlink_to("/lib/ssh.service")
    as_root.write(
        "apt-get", APT_GET + f'\n[ "$1" = update ] || ln -sf /lib/nginx.service {units}/nginx.service\n'
    )
    as_root.install(RUNTIME[1:])
    done = as_root.run()
    assert done.returncode == 0, done.stderr
    assert [link.name for link in units.iterdir()] == ["ssh.service"]


def test_a_changed_lock_file_is_installed_with_its_hashes_and_once(bench: Bench) -> None:
    bench.write("id", "#!/bin/bash\necho 1000\n")
    bench.write(
        "readlink",
        '#!/bin/bash\ncase "$*" in *bin/python3) echo "$ROOT/python";; *) /usr/bin/readlink "$@";; esac\n',
    )
    python = bench.path / "project/.venv/bin/python3"
    python.unlink()
    python.write_text(PYTHON)
    python.chmod(0o755)
    first, second = bench.run(), bench.run()
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert first.stdout == "setup: installing 2 Python packages into .venv ...\n"
    assert second.stdout == ""
    (install,) = [call for call in bench.calls if " install " in call]
    assert "--require-hashes -r requirements.lock" in install
    assert sys.executable not in install


def test_the_virtual_pcs_packages_are_fetched_once_and_only_for_tests(as_root: Bench) -> None:
    kept = as_root.path / "project/var/demo/packages"
    kept.rmdir()
    (as_root.path / "project/netboot_site/demo").mkdir(parents=True)
    (as_root.path / "project/netboot_site/demo/packages.py").write_text(
        "import pathlib; pathlib.Path('var/demo/packages').mkdir()\n"
    )
    assert as_root.run().returncode == 0
    assert not kept.exists(), "`make up` needs no virtual PC"
    done = as_root.run("test")
    assert done.returncode == 0, done.stderr
    assert "fetching the virtual PC's kernel" in done.stdout
    assert kept.is_dir()
    assert "fetching" not in as_root.run("test").stdout


def prepare_by(bench: Bench, program: str) -> Path:
    """Nothing is fetched yet, and this is what fetches; returns the stamp that it is to leave."""
    stamp = bench.path / "project/var/arm64/prepared"
    stamp.unlink()
    stamp.parent.rmdir()
    (bench.path / "project" / SOURCES / "prepare.py").write_text(f"import pathlib, sys\n{program}\n")
    return stamp


MAKES_READY = "path = pathlib.Path(sys.argv[1]); path.mkdir(exist_ok=True); (path / 'prepared').touch()"


@pytest.mark.parametrize("words", [(), ("test",)])
def test_what_raspberry_pis_need_is_fetched_once(as_root: Bench, words: tuple[str, ...]) -> None:
    stamp = prepare_by(as_root, MAKES_READY)
    done = as_root.run(*words)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("setup: fetching Debian's arm64 packages for Raspberry Pis")
    assert stamp.exists()
    assert as_root.run(*words).stdout == ""


def test_newer_sources_of_the_waiting_system_are_made_ready_again(as_root: Bench) -> None:
    stamp = prepare_by(as_root, MAKES_READY)
    as_root.run()
    os.utime(stamp, (1, 1))
    assert "making their waiting system ready" in as_root.run().stdout
    assert as_root.run().stdout == ""


def test_without_what_raspberry_pis_need_setup_warns_and_goes_on(as_root: Bench) -> None:
    prepare_by(as_root, "sys.exit('The mirror is away. Try `make setup` again.')")
    done = as_root.run("test")
    assert done.returncode == 0, "all else works without them"
    assert "warning: The mirror is away. Try `make setup` again. Until then" in done.stderr
    assert not list((as_root.path / "tmp").iterdir()), "a log was left"
