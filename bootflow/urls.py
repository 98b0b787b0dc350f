"""Addresses of the pages of devices, boots, kernel sets and installers."""

from django.urls import path

from bootflow.views import boots, catalogue, devices

urlpatterns = [
    path("devices/", devices.device_list, name="device-list"),
    path("boots/", boots.boot_list, name="boot-list"),
    path("boots/<int:boot_id>/", boots.boot_detail, name="boot-detail"),
    path("boots/<int:boot_id>/live/", boots.boot_live, name="boot-live"),
    path("kernel-sets/", catalogue.kernel_set_list, name="kernel-set-list"),
    path("installers/", catalogue.installer_list, name="installer-list"),
]
