"""Addresses of the pages of images."""

from django.urls import path

from images.views import changes, disks, images, imports, jobs, storage, versions

urlpatterns = [
    path("storage/", storage.index, name="storage"),
    path("storage/live/", storage.live, name="storage-live"),
    path("storage/<slug:node>/orphans/", storage.orphans, name="storage-orphans"),
    path("storage/<slug:node>/remove/", storage.remove, name="storage-remove"),
    path("jobs/", jobs.index, name="job-list"),
    path("jobs/_live/", jobs.live, name="job-list-live"),
    path("jobs/<int:job_id>/cancel/", jobs.cancel, name="job-cancel"),
    path("disks/", disks.index, name="disk-list"),
    path("disks/_live/", disks.live, name="disk-list-live"),
    path("images/", images.image_list, name="image-list"),
    path("images/_live/", images.image_rows, name="image-list-live"),
    # no image's id begins with an underscore
    path("images/_new/", images.image_new, name="image-new"),
    path("images/<slug:image_id>/", images.image_detail, name="image-detail"),
    path("images/<slug:image_id>/live/", images.image_live, name="image-live"),
    path("images/<slug:image_id>/assign/", changes.assign, name="image-assign"),
    path("images/<slug:image_id>/import/", imports.bring, name="image-import"),
    path("images/<slug:image_id>/unassign/", changes.unassign, name="image-unassign"),
    path("images/<slug:image_id>/resize/", changes.resize, name="image-resize"),
    path("images/<slug:image_id>/delete/", changes.delete, name="image-delete"),
    path("images/<slug:image_id>/publish/", versions.publish, name="image-publish"),
    path("images/<slug:image_id>/clone/", versions.clone, name="image-clone"),
    path("images/<slug:image_id>/channels/<slug:channel>/close/", versions.close, name="channel-close"),
    path("images/<slug:image_id>/versions/<int:number>/", versions.detail, name="version-detail"),
    path(
        "images/<slug:image_id>/versions/<int:number>/promote/", versions.promote_it, name="version-promote"
    ),
    path(
        "images/<slug:image_id>/versions/<int:number>/roll-back/",
        versions.roll_back_to,
        name="version-roll-back",
    ),
    path("images/<slug:image_id>/versions/<int:number>/verify/", versions.verify, name="version-verify"),
    path("images/<slug:image_id>/versions/<int:number>/squash/", versions.squash, name="version-squash"),
    path("images/<slug:image_id>/versions/<int:number>/delete/", versions.delete, name="version-delete"),
]
