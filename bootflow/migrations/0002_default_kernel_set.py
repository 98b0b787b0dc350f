"""The kernel set `default` is always there."""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def create_default(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    apps.get_model("bootflow", "KernelSet").objects.get_or_create(name="default", defaults={"is_default": True})


class Migration(migrations.Migration):
    dependencies = [("bootflow", "0001_initial")]
    operations = [migrations.RunPython(create_default, migrations.RunPython.noop)]
