"""WSGI entry of the site: pages, REST API, API docs."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "netboot_site.settings")  # noqa: TID251
application = get_wsgi_application()
