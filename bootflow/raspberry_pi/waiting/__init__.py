"""The waiting system: what a Raspberry Pi boots until it has a disk of its own.

Debian's firmware and arm64 kernel with an initramfs of ours, which asks /boot/pi what to do and shows the
answer on its display and its serial line.
"""
