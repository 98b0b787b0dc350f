"""Disks: storage nodes, images, layers and versions, their exports to devices, and long work on them."""

from images.models.blob import BLOB_MAX_BYTES, PART_BYTES, Blob, BlobPart
from images.models.boot_files import LONGEST_BOOT_PATH, BootFile, BootFiles, BootFilesState
from images.models.export import Export, ExportMode, ExportState, Follows, Persistence, Session
from images.models.image import IMAGE_ID_PATTERN, Image, ImageState
from images.models.job import ENDED, Job, JobKind, JobState
from images.models.layer import (
    Channel,
    ChannelName,
    Layer,
    LayerFormat,
    LayerState,
    Version,
    layer_file_name,
)
from images.models.node import StorageNode

__all__ = [
    "BLOB_MAX_BYTES",
    "ENDED",
    "IMAGE_ID_PATTERN",
    "LONGEST_BOOT_PATH",
    "PART_BYTES",
    "Blob",
    "BlobPart",
    "BootFile",
    "BootFiles",
    "BootFilesState",
    "Channel",
    "ChannelName",
    "Export",
    "ExportMode",
    "ExportState",
    "Follows",
    "Image",
    "ImageState",
    "Job",
    "JobKind",
    "JobState",
    "Layer",
    "LayerFormat",
    "LayerState",
    "Persistence",
    "Session",
    "StorageNode",
    "Version",
    "layer_file_name",
]
