"""The only door to processes: argv lists, a time limit, never a shell."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import signal
import subprocess  # noqa: TID251
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from netboot_site.errors import UnavailableError

DEFAULT_TIMEOUT_SECONDS = 10.0
_IO_URING_SETUP = 425  # io_uring_setup(2): one number on all architectures (asm-generic/unistd.h)
_IO_URING_PARAMS_BYTES = 120  # struct io_uring_params (linux/io_uring.h)
Process = subprocess.Popen[bytes]
# setpriv(1): the kernel sends the signal to the program when its parent dies, and exec keeps that.
TIED = ["setpriv", "--pdeathsig", "TERM", "--"]
# prlimit(1): address space, processor seconds, no file written, no core.
_LIMITED = ["prlimit", f"--as={1024**3}", "--cpu=30", "--fsize=0", "--core=0", "--"]
PLAIN = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}  # messages are read by us


@dataclass(frozen=True, slots=True)
class Completed:
    """How a program ended, with all that it printed."""

    argv: tuple[str, ...]
    exit_code: int
    stdout: str
    stderr: str


def run(
    argv: Sequence[str],
    *,
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
    umask: int = -1,
) -> Completed:
    """Run a program to its end and return how it ended, whatever its exit code.

    `umask` (-1: ours) is what files and sockets that it makes are kept from others by. Raises
    UnavailableError if it is not installed or overruns its time limit (it is killed then).
    """
    try:
        done = subprocess.run(
            list(argv),
            input=stdin,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_seconds,
            env=dict(env) if env is not None else None,
            umask=umask,
            check=False,
        )
    except FileNotFoundError as error:
        raise UnavailableError(f"The program {argv[0]} is not installed on this host.") from error
    except subprocess.TimeoutExpired as error:
        raise UnavailableError(f"{argv[0]} gave no answer within {timeout_seconds:g} s.") from error
    return Completed(tuple(argv), done.returncode, done.stdout, done.stderr)


def environment_with(additions: Mapping[str, str]) -> dict[str, str]:
    """Our own environment with these variables set, for a program that reads the same settings as we do."""
    return {**os.environ, **additions}  # noqa: TID251  # handed on whole, read nowhere here


def start(argv: Sequence[str], *, env: Mapping[str, str] | None = None, new_session: bool = False) -> Process:
    """Start a program that goes on running; the caller ends it."""
    return subprocess.Popen(
        list(argv), env=dict(env) if env is not None else None, start_new_session=new_session
    )


def replace(argv: Sequence[str], *, env: Mapping[str, str] | None = None) -> NoReturn:
    """Become another program: the supervisor then sees that program's own life and death.

    Raises UnavailableError if it is not installed.
    """
    try:
        os.execvpe(argv[0], list(argv), dict(os.environ if env is None else env))  # noqa: S606, TID251
    except FileNotFoundError as error:
        raise UnavailableError(f"The program {argv[0]} is not installed on this host.") from error


def start_tied(argv: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start a program that ends when we end, however that happens; its stdout gives all that it prints."""
    return subprocess.Popen(TIED + list(argv), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def act_as_owner_of(path: Path) -> None:
    """Go on as the user whose files these are, if we are root: what we make there is then theirs, too."""
    status = path.stat()
    if os.geteuid() == 0 and status.st_uid != 0:
        os.setgroups([])
        os.setgid(status.st_gid)
        os.setuid(status.st_uid)


def end(process_id: int) -> None:
    """Ask a process to end; nothing if it has ended already."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(process_id, signal.SIGTERM)


def start_filter(argv: Sequence[str], *, stdin: int | None = None) -> Process:
    """Start a program that turns its standard input into its standard output; it ends when we end.

    It reads from the descriptor `stdin`, or from a pipe of its own. Raises UnavailableError.
    """
    try:
        return subprocess.Popen(
            TIED + list(argv),
            stdin=subprocess.PIPE if stdin is None else stdin,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=PLAIN,
        )  # fmt: skip
    except FileNotFoundError as error:
        raise UnavailableError(f"The program {argv[0]} is not installed on this host.") from error


def look_with(
    argv: Sequence[str], *, max_bytes: int, timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS
) -> bytes:
    """What a program prints about a file that may be hostile: so many bytes of it, for so long.

    Its memory and its time are limited; whatever goes wrong, the answer is short or empty.
    """
    with subprocess.Popen(
        [*TIED, *_LIMITED, *argv],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=PLAIN,
    ) as process:  # fmt: skip
        timer = threading.Timer(timeout_seconds, process.kill)
        timer.start()
        try:
            return process.stdout.read(max_bytes) if process.stdout else b""
        finally:
            process.kill()
            timer.cancel()


def keep_memory(size_bytes: int) -> Mapping[str, str]:
    """The environment of a program that allocates large buffers all the time: it keeps about so much.

    glibc would give each of them back to the kernel, and to have its pages anew costs more than to copy what
    is read into them (mallopt(3): M_MMAP_THRESHOLD, M_TRIM_THRESHOLD).
    """
    return {"MALLOC_MMAP_THRESHOLD_": str(size_bytes), "MALLOC_TRIM_THRESHOLD_": str(2 * size_bytes)}


@functools.cache
def has_io_uring() -> bool:
    """Whether the kernel lets us use io_uring(7); containers and hardened hosts often forbid it."""
    parameters = (ctypes.c_uint8 * _IO_URING_PARAMS_BYTES)()
    descriptor = ctypes.CDLL(None).syscall(_IO_URING_SETUP, 1, parameters)
    if descriptor < 0:
        return False
    os.close(descriptor)
    return True
