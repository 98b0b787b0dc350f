"""The addresses that firmware asks: nothing else is served by the boot process."""

from bootflow.firmware_urls import firmware_patterns

urlpatterns = firmware_patterns
