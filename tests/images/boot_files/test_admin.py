"""Boot files in Django's admin: to look at, and never with their bytes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from images import lineage, services
from images.models import BlobPart, BootFile, BootFiles, Image

pytestmark = pytest.mark.django_db


@pytest.fixture
def boot_file(make_image: Callable[..., Image]) -> BootFile:
    rows = BootFiles.objects.create(layer=lineage.head_of(make_image()), wanted_at=timezone.now())
    sha256 = services.store_blob(source=b"a kernel")
    return BootFile.objects.create(boot_files=rows, path="kernel8.img", blob_id=sha256)


@pytest.mark.parametrize("model", ["bootfiles", "bootfile", "blob", "blobpart"])
def test_rows_are_listed_and_cannot_be_changed(
    operator_client: Client, boot_file: BootFile, model: str
) -> None:
    address = f"/admin/images/{model}/"
    answer = operator_client.get(address)
    assert answer.status_code == 200, f"{model} cannot be listed"
    assert operator_client.get(f"{address}add/").status_code == 403
    pk = {"bootfiles": boot_file.boot_files_id, "blob": boot_file.blob_id, "bootfile": boot_file.pk}
    row = pk.get(model) or BlobPart.objects.get().pk
    assert operator_client.get(f"{address}{row}/change/").status_code == 200
    assert operator_client.post(f"{address}{row}/delete/", {"post": "yes"}).status_code == 403


def test_no_list_of_parts_fetches_their_bytes(operator_client: Client, boot_file: BootFile) -> None:
    with CaptureQueriesContext(connection) as queries:
        operator_client.get("/admin/images/blobpart/")
        operator_client.get(f"/admin/images/blobpart/{BlobPart.objects.defer('data').get().pk}/change/")
    fetched = [query["sql"] for query in queries if '"images_blobpart"."data"' in query["sql"]]
    assert fetched == []
