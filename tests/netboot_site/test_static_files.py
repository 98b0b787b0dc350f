"""Static files as they are shipped: collected under hashed names, without a reference that leads nowhere."""

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command
from django.test import override_settings

MANIFEST = "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"
VENDORED = Path(settings.BASE_PATH) / "static" / "vendor"


def test_everything_can_be_collected_under_hashed_names(tmp_path: Path) -> None:
    storages = {**settings.STORAGES, "staticfiles": {"BACKEND": MANIFEST}}
    with override_settings(STATIC_ROOT=tmp_path, STORAGES=storages):
        call_command("collectstatic", "--no-input", verbosity=0)
    assert (tmp_path / "staticfiles.json").is_file()
    assert list(tmp_path.glob("vendor/tabler/tabler.min.*.css"))


@pytest.mark.parametrize("package", sorted(p.name for p in VENDORED.iterdir()))
def test_a_vendored_package_has_its_licence_and_a_line_on_why(package: str) -> None:
    assert (VENDORED / package / "LICENSE").is_file()
    assert package in (Path(settings.BASE_PATH) / "docs" / "DEPENDENCIES.md").read_text().lower()


def test_our_styles_and_scripts_reach_for_no_other_host() -> None:
    for path in (Path(settings.BASE_PATH) / "static").rglob("*.[cj]s*"):
        text = path.read_text()
        assert "sourceMappingURL" not in text, path.name
        assert not re.search(r"url\(['\"]?(https?:)?//", text), path.name
        assert "@import" not in text, path.name
