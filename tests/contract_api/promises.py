"""What SPEC's REST table promises of each answer: its fields and their kinds."""

from __future__ import annotations

from typing import Any

NUMBER = (int, float)
TIME_OR_NULL = ("time", None)
DEVICE: dict[str, Any] = {
    "mac": str, "device_type": str, "name": str, "enabled": bool, "image_id": (str, None), "kernel_set": str,
    "created_at": "time", "updated_at": "time",
}  # fmt: skip
IMAGE: dict[str, Any] = {
    "id": str, "name": str, "size_gb": NUMBER, "device_type": str, "assigned_to": (str, None),
    "created_at": "time", "state": str, "size_bytes": int, "used_bytes": (int, None), "iqn": str,
    "versions": list, "progress": NUMBER, "last_error": str,
}  # fmt: skip
KERNEL_SET: dict[str, Any] = {
    "name": str, "kernel_url": str, "initramfs_url": (str, None), "cmdline": str, "is_default": bool,
}  # fmt: skip
INSTALLER: dict[str, Any] = {
    "name": str, "path": str, "kernel": str, "initrd": str, "kernel_cmdline": str, "device_type": str,
}  # fmt: skip
BOOT: dict[str, Any] = {
    "id": int, "mac": str, "started_at": "time", "finished_at": TIME_OR_NULL, "stage": str,
    "outcome": (str, None), "reason": str, "events": list,
}  # fmt: skip
EVENT: dict[str, Any] = {"stage": str, "at": "time", "elapsed_seconds": NUMBER, "detail": str}
UNKNOWN: dict[str, Any] = {
    "mac": str, "serial": str, "device_type": str, "first_seen_at": "time", "last_seen_at": "time",
    "facts": dict,
}  # fmt: skip
STORAGE: dict[str, Any] = {
    "capacity_bytes": int, "free_bytes": int, "used_bytes": int, "committed_bytes": int,
}  # fmt: skip
IMAGE_STATES = {"creating", "importing", "ready", "failed", "deleting"}
STAGES = {"dhcp", "tftp", "script", "iscsi", "os", "firmware", "installer"}
