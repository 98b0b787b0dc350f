"""Every address of the site (DESIGN.md, section 8)."""

from django.contrib import admin
from django.urls import path

from bootflow.firmware_urls import firmware_patterns
from netboot_site.api import api

urlpatterns = [
    *firmware_patterns,
    path("admin/", admin.site.urls),
    path("", api.urls),
]
