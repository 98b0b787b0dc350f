"""Every image has had one layer so far: its head, a raw file."""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def add_first_layers(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """One row each."""
    images, layers = apps.get_model("images", "Image"), apps.get_model("images", "Layer")
    for image in images.objects.iterator():
        images.objects.filter(pk=image.pk).update(last_layer_number=image.generation)
        # A file that was seen and is lost stays lost: only one that never was may be made.
        missing = image.observed_size_bytes is None and image.state in {"creating", "failed"}
        state = "creating" if missing else "ready"
        layers.objects.create(
            image=image, number=image.generation, format="raw", size_bytes=image.size_bytes, state=state
        )


class Migration(migrations.Migration):
    dependencies = [("images", "0002_layers")]
    operations = [migrations.RunPython(add_first_layers, migrations.RunPython.noop)]
