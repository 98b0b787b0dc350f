"""Background work of images."""

from celery import shared_task


@shared_task(name="images.converge", soft_time_limit=570, time_limit=600)
def converge() -> None:
    """Look at everything that should be, and make it so."""
