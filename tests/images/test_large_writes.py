"""Writes as large as machines make them arrive as they were sent, whatever the disk is made of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from devices.models import Device
from images import lineage, services
from images.models import Export, Image, LayerFormat
from tests.images.real_layers import MIB, Node, fresh
from tests.images.tgtd import Initiator

pytestmark = [
    pytest.mark.real_tgtd, pytest.mark.real_qemu_storage, pytest.mark.django_db(transaction=True),
]  # fmt: skip
SECTORS = 8 * MIB // 512


@pytest.fixture
def numbered(tmp_path: Path) -> Path:
    """8 MiB of which each sector is another one."""
    path = tmp_path / "numbered"
    path.write_bytes(b"".join(number.to_bytes(8, "little") * 64 for number in range(1, SECTORS + 1)))
    return path


@pytest.mark.parametrize("form", list(LayerFormat))
@pytest.mark.parametrize("length", ["1M", "1280k", "8M"])
@pytest.mark.parametrize("offset", ["4M", "4097k"])
def test_a_write_of_any_length_is_on_the_disk_as_it_was_sent(
    lab: Node, make_image: Callable[..., Image], make_device: Callable[..., Device], numbered: Path,
    initiator: Callable[[Export], Initiator], form: str, length: str, offset: str,
) -> None:  # fmt: skip
    export = services.assign_image(image=make_image("disk1", 64 * MIB), device=make_device(7))
    lab.round()
    if form == LayerFormat.QCOW2:
        services.publish_version(image=Image.objects.get())
        for _ in range(3):
            lab.round()
    done = initiator(fresh(export)).io(f"write -s {numbered} {offset} {length}", "flush")
    assert done.returncode == 0, done.stdout
    head = lineage.head_of(Image.objects.get())
    assert head.format == form
    units = {"k": 1024, "M": MIB}
    start, size = (int(text[:-1]) * units[text[-1]] for text in (offset, length))
    with Path(lab.target(fresh(export)).luns[-1].path).open("rb") as disk:  # as tgtd has it
        disk.seek(start)
        found, sent = disk.read(size), numbered.read_bytes()[:size]
    wrong = [at for at in range(0, size, 512) if found[at : at + 512] != sent[at : at + 512]]
    assert wrong == [], f"{len(wrong)} of {size // 512} sectors hold something else"
