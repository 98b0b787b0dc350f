"""What pages read of images and disks; each function is a fixed number of queries, whatever the rows."""

from images.overview.boot_files import Partition, partitions_of
from images.overview.contents import Contents, contents_of
from images.overview.disks import Disk, disk_of, disks_of
from images.overview.jobs import ended_jobs, jobs_of, unfinished_jobs
from images.overview.lists import (
    free_images,
    open_sessions_of,
    open_sessions_of_disk,
    overlay_images,
    past_sessions_of,
    search_images,
)
from images.overview.storage import StorageTotals, storage_totals
from images.overview.versions import Head, VersionRow, head_of, version_numbers, versions_of

__all__ = [
    "Contents",
    "Disk",
    "Head",
    "Partition",
    "StorageTotals",
    "VersionRow",
    "contents_of",
    "disk_of",
    "disks_of",
    "ended_jobs",
    "free_images",
    "head_of",
    "jobs_of",
    "open_sessions_of",
    "open_sessions_of_disk",
    "overlay_images",
    "partitions_of",
    "past_sessions_of",
    "search_images",
    "storage_totals",
    "unfinished_jobs",
    "version_numbers",
    "versions_of",
]
