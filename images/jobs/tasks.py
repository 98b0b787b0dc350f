"""Background work on images that may take hours."""

from celery import shared_task
from django.conf import settings

from images.jobs.round import work_once

LONGEST_SECONDS = 24 * 3600  # an import of some terabytes from a slow source


@shared_task(name="images.work", soft_time_limit=LONGEST_SECONDS, time_limit=LONGEST_SECONDS + 60)
def work() -> None:
    """Do the next piece of work that waits on this host's storage node."""
    work_once(settings.STORAGE_NODE)
