"""REST calls of bootflow: devices with what they boot, unknown devices, the catalogue, boots."""

from ninja import Router

from bootflow.api.boots import router as boots_router
from bootflow.api.catalogue import router as catalogue_router
from bootflow.api.devices import router as devices_router
from bootflow.api.lists import router as lists_router
from bootflow.api.many import router as many_router
from bootflow.api.network import router as network_router
from bootflow.api.pi_prefixes import router as pi_prefixes_router
from bootflow.api.power import router as power_router
from bootflow.api.preview import router as preview_router
from bootflow.api.unknown import router as unknown_router

router = Router()
# Before /devices/{mac}, which they would be.
router.add_router("", many_router, tags=["devices"])
router.add_router("", lists_router, tags=["devices"])
router.add_router("", devices_router, tags=["devices"])
router.add_router("", power_router, tags=["devices"])
router.add_router("", preview_router, tags=["devices"])
router.add_router("", unknown_router, tags=["unknown devices"])
router.add_router("", catalogue_router, tags=["kernel sets and installers"])
router.add_router("", pi_prefixes_router, tags=["Raspberry Pis"])
router.add_router("", boots_router, tags=["boots"])
router.add_router("", network_router, tags=["boot network"])
