"""Changes of images, versions, exports and nodes. Keyword-only, a verb first; each one transaction."""

from images.services.blobs import blob_pieces, remove_unused_blobs, store_blob, write_blob
from images.services.boot_files import note_unread, record_boot_files, request_boot_files
from images.services.exports import (
    FITTING_IMAGES,
    assign_image,
    discard_kept,
    get_disk,
    kept_changes,
    merge_disk,
    reset_disk,
    restore_kept,
    unassign_image,
)
from images.services.images import (
    check_size,
    create_image,
    delete_image,
    get_image,
    replace_content,
    resize_image,
    take_layer_number,
)
from images.services.imports import begin_upload, end_import, end_upload, request_conversion, request_import
from images.services.jobs import cancel_job, get_job
from images.services.nodes import (
    check_room,
    content_url,
    find_node,
    register_node,
    remove_node,
    remove_orphans,
)
from images.services.squash import complete_squash, request_squash
from images.services.usage import head_in_use, in_use, open_sessions, refuse_while_in_use
from images.services.versions import (
    clone_image,
    close_channel,
    delete_version,
    get_version,
    promote,
    publish_version,
    roll_back,
)

__all__ = [
    "FITTING_IMAGES",
    "assign_image",
    "begin_upload",
    "blob_pieces",
    "cancel_job",
    "check_room",
    "check_size",
    "clone_image",
    "close_channel",
    "complete_squash",
    "content_url",
    "create_image",
    "delete_image",
    "delete_version",
    "discard_kept",
    "end_import",
    "end_upload",
    "find_node",
    "get_disk",
    "get_image",
    "get_job",
    "get_version",
    "head_in_use",
    "in_use",
    "kept_changes",
    "merge_disk",
    "note_unread",
    "open_sessions",
    "promote",
    "publish_version",
    "record_boot_files",
    "refuse_while_in_use",
    "register_node",
    "remove_node",
    "remove_orphans",
    "remove_unused_blobs",
    "replace_content",
    "request_boot_files",
    "request_conversion",
    "request_import",
    "request_squash",
    "reset_disk",
    "resize_image",
    "restore_kept",
    "roll_back",
    "store_blob",
    "take_layer_number",
    "unassign_image",
    "write_blob",
]
