"""Every address of the site (DESIGN.md, section 8)."""

from django.contrib import admin
from django.urls import path

from netboot_site.api import api

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", api.urls),
]
