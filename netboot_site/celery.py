"""The Celery application: queues `control` and `storage.<node>`, and the timer of the convergers."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "netboot_site.settings")  # noqa: TID251

app = Celery("netboot")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
