"""Background work of bootflow."""

from celery import shared_task

from bootflow.convergence import converge_here
from netboot_site.locks import advisory_lock


@shared_task(name="bootflow.converge", soft_time_limit=60, time_limit=90)
def converge() -> None:
    """Look at everything that should be, and make it so."""
    with advisory_lock("bootflow.converge") as held:
        if held:
            converge_here()
