"""WSGI entry of the boot endpoints."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "netboot_site.boot_settings")  # noqa: TID251
application = get_wsgi_application()
