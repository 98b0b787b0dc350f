"""Disks laid out as Raspberry Pi OS is, built from Debian's arm64 packages; see `image.pi_image`."""
