"""Addresses of the pages of images."""

from django.urls import path

from images import views

urlpatterns = [
    path("images/", views.image_list, name="image-list"),
    path("images/<slug:image_id>/", views.image_detail, name="image-detail"),
    path("images/<slug:image_id>/live/", views.image_live, name="image-live"),
    path("images/<slug:image_id>/assign/", views.assign, name="image-assign"),
    path("images/<slug:image_id>/unassign/", views.unassign, name="image-unassign"),
    path("images/<slug:image_id>/resize/", views.resize, name="image-resize"),
    path("images/<slug:image_id>/delete/", views.delete, name="image-delete"),
]
