"""REST calls of disks: images with their versions and channels, the disks of devices, storage, long work."""

from ninja import Router

from images.api.disks import router as disks_router
from images.api.images import router as images_router
from images.api.imports import router as imports_router
from images.api.jobs import router as jobs_router
from images.api.storage import router as storage_router
from images.api.versions import router as versions_router

router = Router()
router.add_router("", images_router, tags=["images"])
router.add_router("", imports_router, tags=["images"])
router.add_router("", versions_router, tags=["versions"])
router.add_router("", disks_router, tags=["disks of devices"])
router.add_router("", storage_router, tags=["storage"])
router.add_router("", jobs_router, tags=["jobs"])
