"""The addresses that firmware asks; the boot process serves nothing else, and the site serves them too."""

from django.urls import path

from bootflow import firmware

firmware_patterns = [
    path("boot/boot.ipxe", firmware.view(firmware.answer_first_script)),
    path("boot/script", firmware.view(firmware.answer_script)),
    path("boot/report", firmware.view(firmware.answer_report)),
    path("boot/online", firmware.view(firmware.answer_online)),
    path("boot/<path:elsewhere>", firmware.view(firmware.answer_elsewhere)),
    path("api/v1/boot/check-in", firmware.view(firmware.answer_check_in)),
]
