"""WSGI entry of the boot endpoints, straight to the answers: Django's handler costs as much as they do."""

import os

import django

# Set, not proposed: importing this package (its Celery application) has named the site's settings already.
os.environ["DJANGO_SETTINGS_MODULE"] = "netboot_site.boot_settings"  # noqa: TID251
django.setup()

from bootflow.wsgi import application  # noqa: E402  # needs the settings

__all__ = ["application"]
