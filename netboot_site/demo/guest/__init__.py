"""What stands on the virtual PC's disk: its initramfs and its root file system."""

from __future__ import annotations

import gzip
import re
import shutil
from pathlib import Path

from netboot_site import cpio
from netboot_site.errors import UnavailableError
from netboot_site.modules import in_load_order
from netboot_site.system import run

HERE = Path(__file__).parent
BUSYBOX = Path("/bin/busybox")
_LOADER = Path(
    "/lib64/ld-linux-x86-64.so.2"
)  # System V ABI, AMD64 supplement: the dynamic linker's one place
_LIBRARIES = "lib/x86_64-linux-gnu"
_MODULES = ["virtio_pci", "virtio_net", "iscsi_ibft", "iscsi_tcp", "sd_mod"]
_ACCOUNTS = "root:x:0:0:root:/:/bin/sh\n"  # iscsid takes a boot session over only if it finds root's name


def kernel_file(packages: Path) -> Path:
    """The newest kernel among the unpacked packages."""
    kernels = sorted((packages / "boot").glob("vmlinuz-*"))
    if not kernels:
        raise UnavailableError("There is no kernel among the virtual PC's packages.")
    return kernels[-1]


def initramfs(packages: Path) -> bytes:
    """The compressed archive that the kernel unpacks and runs first."""
    version = kernel_file(packages).name.removeprefix("vmlinuz-")
    modules = in_load_order(packages / "lib/modules" / version, _MODULES)
    entries = [
        *(cpio.folder(name) for name in ("dev", "proc", "sys", "root", "run", "tmp")),
        cpio.character_device("dev/console", 5, 1),  # the kernel opens it before devtmpfs is mounted
        cpio.file("init", (HERE / "initramfs.sh").read_bytes(), executable=True),
        cpio.file("udhcpc.sh", (HERE / "udhcpc.sh").read_bytes(), executable=True),
        cpio.file("etc/passwd", _ACCOUNTS.encode()),
        cpio.file("modules/order", "".join(f"{path.name}\n" for path in modules).encode()),
        *(cpio.file(f"modules/{path.name}", path.read_bytes()) for path in modules),
        *(
            cpio.file(name, source.read_bytes(), executable=True)
            for name, source in _programs(packages, ["sbin/iscsistart"]).items()
        ),
    ]
    return gzip.compress(cpio.archive(entries), compresslevel=6, mtime=0)


def write_root(root: Path, packages: Path) -> None:
    """The root file system's files, below `root`."""
    for name in ("dev", "proc", "sys", "run", "tmp", "etc/iscsi", "sbin"):
        (root / name).mkdir(parents=True)
    for name, source in _programs(packages, ["sbin/iscsid"]).items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, root / name)
        (root / name).chmod(0o755)
    (root / "bin/sh").symlink_to("busybox")
    shutil.copyfile(HERE / "root.sh", root / "sbin/init")
    (root / "sbin/init").chmod(0o755)
    shutil.copyfile(HERE / "iscsid.conf", root / "etc/iscsi/iscsid.conf")
    (root / "etc/iscsi/initiatorname.iscsi").write_text("InitiatorName=iqn.2026-02.local.netboot:unset\n")
    (root / "etc/passwd").write_text(_ACCOUNTS)


def _programs(packages: Path, names: list[str]) -> dict[str, Path]:
    """busybox, the programs, and each shared library that they need, as name in the guest -> file here."""
    found = {"bin/busybox": BUSYBOX, str(_LOADER).lstrip("/"): _LOADER}
    for name in names:
        found[name] = packages / name
        found |= {f"{_LIBRARIES}/{path.name}": path for path in _libraries(packages, packages / name)}
    return found


def _libraries(packages: Path, program: Path) -> list[Path]:
    """What the dynamic linker would load: first from the packages, then from this machine."""
    folders = [packages / _LIBRARIES, packages / "usr" / _LIBRARIES]
    search = ":".join(str(folder) for folder in folders)
    listing = run([str(_LOADER), "--library-path", search, "--list", str(program)]).stdout
    missing = re.findall(r"(\S+) => not found", listing)
    if missing or "=>" not in listing:
        raise UnavailableError(f"The virtual PC's {program.name} misses libraries: {', '.join(missing)}.")
    return [Path(path) for path in re.findall(r"=> (/\S+)", listing)]
