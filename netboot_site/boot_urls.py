"""The addresses that firmware asks: nothing else is served by the boot process."""

from django.urls import URLPattern, URLResolver

urlpatterns: list[URLPattern | URLResolver] = []
