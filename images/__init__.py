"""Disks: images, their exports to devices over iSCSI, the storage nodes that hold them."""
