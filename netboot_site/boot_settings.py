"""Settings of the process that firmware talks to: the same rows, no session, no cookie, no middleware."""

from netboot_site.settings import *  # noqa: F403
from netboot_site.settings import DATABASES

ROOT_URLCONF = "netboot_site.boot_urls"
WSGI_APPLICATION = "netboot_site.boot_wsgi.application"
MIDDLEWARE = []
# Lasting connections without a probe before each request: a boot request costs one SQL statement. The views
# themselves try once more on a new connection when PostgreSQL has been restarted.
DATABASES["default"].update(CONN_MAX_AGE=None, CONN_HEALTH_CHECKS=False)
# The server keeps the plan of the statement that a boot request costs: planning takes longer than running.
DATABASES["default"]["OPTIONS"].update(
    prepare_threshold=0, options="-c statement_timeout=5s -c plan_cache_mode=force_generic_plan"
)
