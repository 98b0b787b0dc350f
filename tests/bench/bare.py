"""The yardstick: a bare Django view with one durable statement on a lasting connection, and nothing else."""

from __future__ import annotations

import os

os.environ["DJANGO_SETTINGS_MODULE"] = "netboot_site.boot_settings"

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.db import connection
from django.http import HttpRequest, JsonResponse
from django.urls import path

STATEMENT = """
WITH found AS (SELECT image FROM bare_device WHERE mac = %s)
INSERT INTO bare_event (at, mac, image) VALUES (now(), %s, (SELECT image FROM found)) RETURNING image
"""


def check_in(request: HttpRequest) -> JsonResponse:
    mac = request.GET["mac"]
    with connection.cursor() as cursor:
        cursor.execute(STATEMENT, [mac, mac])
        (image,) = cursor.fetchone()
    return JsonResponse({"action": "boot_image", "image_id": image})


urlpatterns = [path("api/v1/boot/check-in", check_in)]
application = get_wsgi_application()
settings.ROOT_URLCONF = __name__
