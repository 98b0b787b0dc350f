"""What pages read of images and disks; each function is a fixed number of queries, whatever the rows."""

from images.overview.boot_files import Partition, partitions_of
from images.overview.contents import Contents, contents_of
from images.overview.disks import Disk, DiskWish, count_disks, disk_of, disks_of, disks_shown, search_disks
from images.overview.jobs import JobRow, JobWish, ended_jobs, jobs_of, rows_of, search_jobs, unfinished_jobs
from images.overview.lists import (
    ImageWish,
    free_images,
    open_sessions_of_disk,
    overlay_images,
    search_images,
    sessions_of,
    with_all_shown,
)
from images.overview.storage import StorageTotals, storage_totals
from images.overview.versions import Head, VersionRow, head_of, version_numbers, versions_of

__all__ = [
    "Contents",
    "Disk",
    "DiskWish",
    "Head",
    "ImageWish",
    "JobRow",
    "JobWish",
    "Partition",
    "StorageTotals",
    "VersionRow",
    "contents_of",
    "count_disks",
    "disk_of",
    "disks_of",
    "disks_shown",
    "ended_jobs",
    "free_images",
    "head_of",
    "jobs_of",
    "open_sessions_of_disk",
    "overlay_images",
    "partitions_of",
    "rows_of",
    "search_disks",
    "search_images",
    "search_jobs",
    "sessions_of",
    "storage_totals",
    "unfinished_jobs",
    "version_numbers",
    "versions_of",
    "with_all_shown",
]
