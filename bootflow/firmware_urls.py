"""The addresses that firmware asks; the boot process serves nothing else, and the site serves them too."""

from django.urls import path, re_path

from bootflow.firmware import ANSWERS, answer_elsewhere, view

firmware_patterns = [
    *(path(address.removeprefix("/"), view(answer)) for address, answer in ANSWERS.items()),
    re_path(r"^boot/(?P<elsewhere>[\s\S]*)$", view(answer_elsewhere)),
]
