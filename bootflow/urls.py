"""Addresses of the pages of devices, boots, kernel sets and installers."""

from django.urls import path

from bootflow.views import boots, catalogue, device_changes, devices, disks, kernel_sets, pis

urlpatterns = [
    path("devices/", devices.device_list, name="device-list"),
    path("devices/new/", device_changes.register, name="device-new"),
    path("devices/<str:mac>/", devices.device_detail, name="device-detail"),
    path("devices/<str:mac>/live/", devices.device_live, name="device-live"),
    path("devices/<str:mac>/approve/", device_changes.approve, name="device-approve"),
    path("devices/<str:mac>/forget/", device_changes.forget, name="device-forget"),
    path("devices/<str:mac>/edit/", device_changes.edit, name="device-edit"),
    path("devices/<str:mac>/enable/", device_changes.enable, name="device-enable"),
    path("devices/<str:mac>/boot-once/", device_changes.boot_once, name="device-boot-once"),
    path("devices/<str:mac>/assign/", device_changes.assign, name="device-assign"),
    path("devices/<str:mac>/unassign/", device_changes.unassign, name="device-unassign"),
    path("devices/<str:mac>/delete/", device_changes.delete, name="device-delete"),
    path("devices/<str:mac>/disk/reset/", disks.reset, name="disk-reset"),
    path("devices/<str:mac>/disk/merge/", disks.merge, name="disk-merge"),
    path("devices/<str:mac>/disk/kept/<int:number>/restore/", disks.restore, name="kept-restore"),
    path("devices/<str:mac>/disk/kept/<int:number>/discard/", disks.discard, name="kept-discard"),
    path("devices/<str:mac>/disk/change/", disks.change, name="disk-change"),
    path("devices/<str:mac>/boot-files/", pis.boot_files, name="device-boot-files"),
    path("groups/<int:number>/channel/", device_changes.group_channel, name="group-channel"),
    path("boots/", boots.boot_list, name="boot-list"),
    path("boots/<int:boot_id>/", boots.boot_detail, name="boot-detail"),
    path("boots/<int:boot_id>/live/", boots.boot_live, name="boot-live"),
    path("kernel-sets/", kernel_sets.kernel_set_list, name="kernel-set-list"),
    path("kernel-sets/_new/", kernel_sets.kernel_set_new, name="kernel-set-new"),
    path("kernel-sets/<str:name>/", kernel_sets.kernel_set_detail, name="kernel-set-detail"),
    path("kernel-sets/<str:name>/live/", kernel_sets.kernel_set_live, name="kernel-set-live"),
    path("kernel-sets/<str:name>/edit/", kernel_sets.kernel_set_edit, name="kernel-set-edit"),
    path("kernel-sets/<str:name>/default/", kernel_sets.kernel_set_default, name="kernel-set-default"),
    path("kernel-sets/<str:name>/delete/", kernel_sets.kernel_set_delete, name="kernel-set-delete"),
    path("installers/", catalogue.installer_list, name="installer-list"),
]
