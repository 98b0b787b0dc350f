"""The private PostgreSQL: which version, who may enter, and what a crash left behind."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from netboot_site.errors import UnavailableError
from netboot_site.runtime import postgres

INITDB = """#!/bin/bash
echo "initdb $*" >>"$(dirname "$0")/../../calls"
mkdir -p "$2" && echo 16 >"$2/PG_VERSION"
"""
SERVER = """#!/bin/bash
echo "postgres $* < $(cat)" >>"$(dirname "$0")/../../calls"
"""
FAILING = """#!/bin/bash
mkdir -p "$2"; echo begun; printf 'one\\nno space left\\n' >&2; exit 1
"""


def install(versions: Path, number: int, initdb: str = INITDB) -> None:
    folder = versions / str(number) / "bin"
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (("initdb", initdb), ("postgres", SERVER)):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)


@pytest.fixture
def versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where installed versions lie, with stand-ins that note their calls."""
    folder = tmp_path / "installed"
    folder.mkdir()
    monkeypatch.setattr(postgres, "_VERSIONS", folder)
    return folder


@pytest.fixture
def cluster(tmp_path: Path) -> Path:
    (tmp_path / "postgres").mkdir()
    return tmp_path / "postgres" / "data"


def calls(versions: Path) -> list[str]:
    return (versions / "calls").read_text().splitlines()


def test_a_new_cluster_is_made_with_the_newest_version_by_number(versions: Path, cluster: Path) -> None:
    for number in (9, 15, 16, 10):
        install(versions, number)
    assert postgres.binaries(cluster) == versions / "16" / "bin"


def test_an_old_cluster_is_run_by_the_version_that_made_it(versions: Path, cluster: Path) -> None:
    for number in (15, 17):
        install(versions, number)
    cluster.mkdir()
    (cluster / "PG_VERSION").write_text("15\n")
    assert postgres.binaries(cluster) == versions / "15" / "bin"


def test_a_version_that_was_removed_is_named_with_what_to_install(versions: Path, cluster: Path) -> None:
    for number in (16, 17):
        install(versions, number)
    cluster.mkdir()
    (cluster / "PG_VERSION").write_text("15\n")
    with pytest.raises(
        UnavailableError, match=r"made with PostgreSQL 15, .* 16, 17 are installed: install postgresql-15"
    ):
        postgres.binaries(cluster)


def test_without_postgresql_the_person_is_told_what_installs_it(versions: Path, cluster: Path) -> None:
    with pytest.raises(UnavailableError, match="PostgreSQL is not installed; `make setup`"):
        postgres.binaries(cluster)


def test_a_cluster_is_made_beside_its_place_and_moved_there_whole(versions: Path, cluster: Path) -> None:
    install(versions, 16)
    draft = cluster.with_name("new")
    assert postgres.make_cluster(cluster, [], ["root"]) is True
    initdb, create = calls(versions)
    assert initdb == f"initdb -D {draft} -U netboot --auth=peer -E UTF8 --locale=C.UTF-8"
    assert create == f"postgres --single -D {draft} template1 < CREATE DATABASE netboot"
    assert cluster.is_dir()
    assert not draft.exists()
    assert postgres.make_cluster(cluster, [], ["root"]) is False
    assert len(calls(versions)) == 2, "a cluster that is there was made again"


def test_it_is_made_as_the_service_user(versions: Path, cluster: Path) -> None:
    install(versions, 16)
    postgres.make_cluster(cluster, ["env", "AS_SERVICE=yes"], [])
    install(versions, 16, FAILING)
    shutil.rmtree(cluster)
    with pytest.raises(UnavailableError, match="The program no-such-prefix is not installed"):
        postgres.make_cluster(cluster, ["no-such-prefix"], [])


def test_a_half_made_cluster_is_not_taken_for_one(versions: Path, cluster: Path) -> None:
    install(versions, 16, FAILING)
    with pytest.raises(UnavailableError, match=r"^PostgreSQL could not be prepared: no space left$"):
        postgres.make_cluster(cluster, [], [])
    assert not cluster.exists()
    (cluster.with_name("new") / "rest of it").touch()
    install(versions, 16)
    assert postgres.make_cluster(cluster, [], []) is True
    assert not (cluster / "rest of it").exists()


def test_who_may_enter_is_written_anew_at_each_start(versions: Path, cluster: Path) -> None:
    install(versions, 16)
    postgres.make_cluster(cluster, [], ["netboot", "gone"])
    postgres.make_cluster(cluster, [], ["root", "netboot-storage", "netboot", "root"])
    rules = [line for line in (cluster / "pg_hba.conf").read_text().splitlines() if line[0] != "#"]
    assert rules == ["local all all peer map=netboot"]
    people = [line for line in (cluster / "pg_ident.conf").read_text().splitlines() if line[0] != "#"]
    assert people == [f'netboot "{name}" netboot' for name in ("netboot", "netboot-storage", "root")]


def test_the_server_listens_on_its_socket_alone_and_keeps_what_it_acknowledged(
    versions: Path, cluster: Path
) -> None:
    install(versions, 16)
    argv = postgres.server_command(cluster, Path("/run/x"), postgres.OPTIONS)
    assert argv[:3] == [str(versions / "16/bin/postgres"), "-D", str(cluster)]
    assert argv[3::2] == ["-c"] * (len(argv[3:]) // 2)
    chosen = dict(word.split("=", 1) for word in argv[4::2])
    assert (chosen["listen_addresses"], chosen["unix_socket_directories"]) == ("", "/run/x")
    assert not {"fsync", "synchronous_commit", "full_page_writes"} & chosen.keys(), (
        "it must not lose a commit"
    )


def test_a_real_server_takes_every_option() -> None:
    cluster = Path(settings.DATA_PATH) / "postgres"  # the suite's own cluster
    binary = str(postgres.binaries(cluster) / "postgres")
    for name, value in postgres.OPTIONS.items():
        # -C prints a setting and starts nothing; root is refused only later
        argv = [
            "setpriv",
            f"--reuid={cluster.stat().st_uid}",
            f"--regid={cluster.stat().st_gid}",
            "--clear-groups",
        ]
        words = [
            *(argv if os.geteuid() == 0 else []),
            binary,
            "-D",
            str(cluster),
            "-c",
            f"{name}={value}",
            "-C",
            name,
        ]
        done = subprocess.run(words, capture_output=True, text=True, timeout=20)
        assert done.returncode == 0, f"{name}={value}: {done.stderr}"


def test_a_server_that_answers_is_told_from_one_that_is_not_there(tmp_path: Path) -> None:
    cluster = Path(settings.DATA_PATH) / "postgres"
    assert postgres.takes_queries(cluster, Path(settings.POSTGRES_SOCKET_PATH))
    assert not postgres.takes_queries(cluster, tmp_path)


@pytest.fixture
def another_program(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "60"])
    yield process
    process.kill()
    process.wait(10)


@pytest.fixture
def another_postgres(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process of that name; its working folder is `server`, as PostgreSQL's is its cluster."""
    (tmp_path / "server").mkdir()
    program = tmp_path / "postgres-binary" / "postgres"
    program.parent.mkdir()
    shutil.copy("/bin/sleep", program)
    process = subprocess.Popen([program, "60"], cwd=tmp_path / "server")
    until = time.monotonic() + 10
    while (
        Path(f"/proc/{process.pid}/comm").read_text() != "postgres\n"
    ):  # set a moment after exec(2) has begun
        assert time.monotonic() < until
        time.sleep(0.01)
    yield process
    process.kill()
    process.wait(10)


def write_note(cluster: Path, text: str) -> Path:
    cluster.mkdir(exist_ok=True)
    (cluster / "postmaster.pid").write_text(text)
    return cluster / "postmaster.pid"


def test_a_dead_servers_number_that_another_program_has_now_is_forgotten(
    cluster: Path, another_program: subprocess.Popen[bytes]
) -> None:
    note = write_note(cluster, f"{another_program.pid}\n{cluster}\n")
    postgres.forget_dead_server(cluster)
    assert not note.exists()


def test_the_number_may_also_be_another_clusters_server_now(
    cluster: Path, another_postgres: subprocess.Popen[bytes]
) -> None:
    note = write_note(cluster, f"{another_postgres.pid}\n")
    postgres.forget_dead_server(cluster)
    assert not note.exists(), "PostgreSQL would take it for its predecessor and never start"


def test_a_server_that_lives_keeps_its_note(
    tmp_path: Path, another_postgres: subprocess.Popen[bytes]
) -> None:
    note = write_note(tmp_path / "server", f"{another_postgres.pid}\n")
    postgres.forget_dead_server(tmp_path / "server")
    assert note.exists(), "two servers on one cluster destroy it"


@pytest.mark.parametrize("text", ["", "\n", "no number\n", "999999999\n"])
def test_what_postgresql_itself_sees_through_is_left_to_it(cluster: Path, text: str) -> None:
    note = write_note(cluster, text)
    postgres.forget_dead_server(cluster)
    assert note.exists()


def test_without_a_note_there_is_nothing_to_forget(cluster: Path) -> None:
    cluster.mkdir()
    postgres.forget_dead_server(cluster)
