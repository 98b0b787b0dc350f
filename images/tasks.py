"""Background work of images."""

from celery import shared_task
from django.conf import settings

from images.convergence.host import tell_host
from images.convergence.round import converge_node
from images.models import StorageNode
from images.qemu import local_store
from images.tgt import local_server
from netboot_site.locks import advisory_lock


@shared_task(name="images.converge", soft_time_limit=570, time_limit=600)
def converge() -> None:
    """Look at everything that should be on this host's storage node, and make it so."""
    with advisory_lock(f"images.converge.{settings.STORAGE_NODE}") as held:
        if held and (node := StorageNode.objects.filter(name=settings.STORAGE_NODE).first()):
            converge_node(node, local_server(), local_store())
            tell_host(node, local_server())
