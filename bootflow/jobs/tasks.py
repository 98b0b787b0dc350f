"""Background work on many devices at once."""

from celery import shared_task

from bootflow.bulk import carry_on_with_all


@shared_task(name="bootflow.bulk", soft_time_limit=60, time_limit=90)
def go_on() -> None:
    """Carry on for a moment with what was begun and is not finished; the timer comes back to it."""
    carry_on_with_all(seconds=2.0)
