"""Room in each page for a row's next version: a check-in then changes no index (PostgreSQL's HOT updates)."""

from django.db import migrations

FORWARD = """
ALTER TABLE devices_device SET (fillfactor = 70);
ALTER TABLE bootflow_boot SET (fillfactor = 70);
"""
BACKWARD = """
ALTER TABLE devices_device RESET (fillfactor);
ALTER TABLE bootflow_boot RESET (fillfactor);
"""


class Migration(migrations.Migration):
    dependencies = [("bootflow", "0002_default_kernel_set"), ("devices", "0001_initial")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
