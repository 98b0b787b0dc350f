"""What a disk comes as, told by its first bytes and never by its name. Pure."""

from __future__ import annotations

from netboot_site.errors import ValidationError

RAW = "raw"
# First bytes by the formats' own specifications. Streams are unpacked while they come in, containers when
# all of them is there.
STREAMS = {
    b"\xfd7zXZ\x00": "xz",
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PK\x03\x04": "zip",
}
CONTAINERS = {
    b"QFI\xfb": "qcow2",
    b"KDMV": "vmdk",
    b"vhdxfile": "vhdx",
    b"conectix": "vhd",
}
REFUSED = {
    b"COWD": "split vmdk",
    b"# Disk DescriptorFile": "vmdk descriptor",
    b"BZh": "bzip2",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!": "rar",
    b"\x04\x22\x4d\x18": "lz4",
    b"PK\x05\x06": "empty zip",
}
_VDI, _VDI_AT = b"\x7f\x10\xda\xbe", 64  # VirtualBox's VDICore.h: the signature follows a line of text
_TAR, _TAR_AT = b"ustar", 257  # POSIX.1-1988, the header's field `magic`
LOOK_BYTES = 512
READABLE = "raw, qcow2, vmdk (one file), vhdx, vhd, vdi, and raw disks in xz, gzip, zstd or zip"


def recognise(first_bytes: bytes) -> str:
    """Its format. Raises ValidationError for one that cannot be read."""
    for magic, name in (STREAMS | CONTAINERS).items():
        if first_bytes.startswith(magic):
            return name
    if first_bytes[_VDI_AT : _VDI_AT + len(_VDI)] == _VDI:
        return "vdi"
    for magic, name in REFUSED.items():
        if first_bytes.startswith(magic):
            raise ValidationError(f"This is a {name} file, which cannot be imported; {READABLE} can.")
    if first_bytes[_TAR_AT : _TAR_AT + len(_TAR)] == _TAR:
        raise ValidationError(f"This is a tar archive, which cannot be imported; {READABLE} can.")
    return RAW


def is_stream(name: str) -> bool:
    """Whether it is unpacked while it comes in."""
    return name in STREAMS.values()


def is_container(name: str) -> bool:
    """Whether all of it must be there before it can be read."""
    return name == "vdi" or name in CONTAINERS.values()


def check_unpacked(first_bytes: bytes, archive: str) -> None:
    """What an archive holds is a raw disk. Raises ValidationError."""
    found = recognise(first_bytes)
    if found != RAW:
        raise ValidationError(f"This {archive} file holds a {found} file; unpack it first and import that.")
