"""The Celery application: queues `control` and `storage.<node>`, and the timer of the convergers."""

from __future__ import annotations

import functools
import logging
import os
from typing import Any

from celery import Celery
from celery.contrib.django.task import DjangoTask
from django.db import transaction
from kombu.exceptions import OperationalError

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "netboot_site.settings")  # noqa: TID251
logger = logging.getLogger(__name__)


class NudgeTask(DjangoTask):  # type: ignore[type-arg]
    """A task whose message may be lost: the timer starts it again within seconds.

    So a row is changed and the person is answered even while Redis is down.
    """

    def delay_on_commit(self, *args: Any, **kwargs: Any) -> None:  # type: ignore[override]
        """Send the message when the transaction has been committed; note it if the broker is away."""
        transaction.on_commit(functools.partial(self._send, args, kwargs))

    def delay_on_commit_to(self, queue: str) -> None:
        """The same, to a queue that the task is not routed to by itself: that of another storage node."""
        transaction.on_commit(functools.partial(self._send, (), {}, queue=queue))

    def _send(self, args: Any, kwargs: Any, **options: Any) -> None:
        try:
            self.apply_async(args, kwargs, **options)
        except OperationalError as error:
            logger.warning("%s will run on the timer, since the broker is away: %s", self.name, error)


app = Celery("netboot", task_cls=NudgeTask)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
# Above the services, which the tasks of a room are below.
app.autodiscover_tasks(["images.jobs", "bootflow.jobs"])
