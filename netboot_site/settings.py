"""Django settings; the one place where the environment is read (DESIGN.md, section 5)."""

from __future__ import annotations

import hashlib
import os
import secrets
import tempfile
import tomllib
from pathlib import Path
from urllib.parse import quote, unquote

import environ
from celery.schedules import schedule
from csp.constants import NONE, SELF

env = environ.Env()
BASE_PATH = Path(__file__).resolve().parent.parent
VERSION = tomllib.loads((BASE_PATH / "pyproject.toml").read_text())["project"]["version"]

# --- Where everything lasts, and where sockets live ---------------------------------------------------------

DATA_PATH = Path(env.str("DATA_PATH", default=str(BASE_PATH / "var"))).absolute()
_LONGEST_SOCKET = "/postgres/.s.PGSQL.5432.lock"
_UNIX_PATH_BYTES = 107  # unix(7): sun_path holds 108 bytes, the last one is NUL


def _run_path() -> Path:
    """Sockets live under DATA_PATH, or beside it in the temporary folder where that path is too long.

    The launcher hands its own answer on: another user's temporary folder may be another one.
    """
    given = env.str("RUN_PATH", default="")
    if given:
        return Path(given)
    beside = DATA_PATH / "run"
    if len(os.fsencode(str(beside) + _LONGEST_SOCKET)) <= _UNIX_PATH_BYTES:
        return beside
    digest = hashlib.sha256(os.fsencode(str(DATA_PATH))).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"netboot-{digest}"


def _secret_key() -> str:
    """The key from the environment, else the one kept under DATA_PATH, made at the first start."""
    given = env.str("SECRET_KEY", default="")
    if given:
        return str(given)
    path = DATA_PATH / "secret-key"
    try:
        return path.read_text().strip()
    except OSError:
        # Not made yet, or not ours to read: the launcher makes it once and hands it to every service.
        return secrets.token_urlsafe(50)


RUN_PATH = _run_path()
IMAGES_PATH = DATA_PATH / "images"  # the storage user's alone
TFTP_PATH = DATA_PATH / "tftp"
BOOT_FILES_PATH = DATA_PATH / "boot"  # served by nginx below /boot/files/
DNSMASQ_PATH = DATA_PATH / "dnsmasq"
NETWORK_CHOICE_PATH = DATA_PATH / "network" / "choice.json"  # what was chosen on a page, for the launcher
LOGS_PATH = DATA_PATH / "logs"
# Debian's arm64 packages, from which the waiting system and what an initramfs lacks for iSCSI are made. In
# the project's folder: every instance of this checkout shares them, and `make setup` fetches them.
PI_PACKAGES_PATH = BASE_PATH / "var" / "arm64"
IMPORT_PATH = DATA_PATH / "import"  # the storage user's: disks that a person put there to be imported
POSTGRES_SOCKET_PATH = RUN_PATH / "postgres"
REDIS_SOCKET_PATH = RUN_PATH / "redis" / "redis.sock"
LAYERS_RUN_PATH = RUN_PATH / "layers"  # a folder for each layer that is being served
TGT_SOCKET_PATH = RUN_PATH / "tgt" / "control"  # tgtd adds its control port: `control.0`

SECRET_KEY = _secret_key()
SECRET_KEY_IS_KEPT = bool(env.str("SECRET_KEY", default="")) or (DATA_PATH / "secret-key").exists()
DEBUG = False
ALLOWED_HOSTS = ["*"]  # reached by address on many networks; nothing here builds a link from the Host header
LOG_LEVEL = env.str("LOG_LEVEL", default="INFO").upper()

# --- The product's own variables ----------------------------------------------------------------------------

API_HOST = env.str("API_HOST", default="0.0.0.0")  # noqa: S104  # promised default: the whole lab reaches it
API_PORT = env.int("API_PORT", default=8000)
DASHBOARD_PORT = env.int("DASHBOARD_PORT", default=30000)
BOOT_HTTP_PORT = env.int("BOOT_HTTP_PORT", default=8080)
BOOT_INTERFACE = env.str("BOOT_INTERFACE", default="")  # empty: the default route's interface
BOOT_ADDRESS = env.str("BOOT_ADDRESS", default="")  # empty: that interface's first IPv4 address
DHCP_MODE = env.str("DHCP_MODE", default="proxy")
DHCP_RANGE = env.str("DHCP_RANGE", default="")
# Those of them that somebody has set: they come before what is chosen on a page. The launcher, which settles
# the others, hands this list on.
NETWORK_FIXED = env.list(
    "NETWORK_FIXED",
    default=[
        name
        for name in ("BOOT_INTERFACE", "BOOT_ADDRESS", "DHCP_MODE", "DHCP_RANGE")
        if env.str(name, default="")
    ],
)
ADMIN_USERNAME = env.str("ADMIN_USERNAME", default="admin")
ADMIN_PASSWORD = env.str("ADMIN_PASSWORD", default="")
ADMIN_API_TOKEN = env.str("ADMIN_API_TOKEN", default="")
IQN_PREFIX = env.str("IQN_PREFIX", default="iqn.2026-02.local.netboot")
STORAGE_NODE = env.str("STORAGE_NODE", default="local")
# Whether this host serves disks alone, for an orchestrator that runs elsewhere: `manage.py storage_node`.
STORAGE_ONLY = env.bool("STORAGE_ONLY", default=False)
ISCSI_PORT = env.int("ISCSI_PORT", default=3260)  # RFC 7143, 2.2: the registered one
# With less room than this on a storage node nothing new is started there; below half of it overlays pause.
STORAGE_RESERVE_BYTES = env.int("STORAGE_RESERVE_BYTES", default=1024**3)
IMPORT_MAX_BYTES = env.int("IMPORT_MAX_BYTES", default=16 * 1024**4)  # ext4's largest file
# Bytes that take room on the disk for each byte of an archive; holes are free.
IMPORT_MAX_RATIO = env.int("IMPORT_MAX_RATIO", default=200)
# Whether a URL may lead to this host itself: for a mirror on the same machine.
IMPORT_FROM_LOOPBACK = env.bool("IMPORT_FROM_LOOPBACK", default=False)
# What /health asks about: the launcher names what it has started (without root there is no dnsmasq).
EXPECTED_SERVICES = env.list(
    "EXPECTED_SERVICES",
    default=[
        "boot",
        "storage-http",
        "worker-control",
        "worker-storage",
        "worker-jobs",
        "recorder",
        "tgtd",
        "dnsmasq",
    ],
)

# --- Django -------------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_htmx",
    "ninja",  # its own copy of Swagger UI instead of a CDN's
    "csp",
    "axes",
    "netboot_site",
    "devices",
    "images",
    "bootflow",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "netboot_site.middleware.JournalMiddleware",
    "netboot_site.middleware.ApiErrorMiddleware",
    "images.relay.ContentRelayMiddleware",
    "netboot_site.middleware.PersonMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "axes.middleware.AxesMiddleware",
]
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
ROOT_URLCONF = "netboot_site.urls"
WSGI_APPLICATION = "netboot_site.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_PATH / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "netboot_site.api_links.calls_of_page",
                "netboot_site.outages.troubles_of_page",
            ],
        },
    }
]

_PRIVATE_DATABASE = f"postgresql://netboot@{quote(str(POSTGRES_SOCKET_PATH), safe='')}/netboot"
DATABASES = {"default": env.db_url("DATABASE_URL", default=_PRIVATE_DATABASE)}
DATABASES["default"].update(CONN_MAX_AGE=60, CONN_HEALTH_CHECKS=True)
DATABASES["default"]["HOST"] = unquote(str(DATABASES["default"]["HOST"]))  # a socket's folder
DATABASES["default"].setdefault("OPTIONS", {}).setdefault("connect_timeout", 3)
# Of a server whose host is gone, the connection ends; on a unix socket neither means anything.
DATABASES["default"]["OPTIONS"].setdefault("tcp_user_timeout", 5000)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = env.str("REDIS_URL", default=f"unix://{REDIS_SOCKET_PATH}?db=0")
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}

LOGIN_URL = "/login/"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/login/"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 8}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True
FORMAT_MODULE_PATH = "netboot_site.locale"  # seconds matter in the administration, too
STATIC_URL = "/static/"
STATIC_ROOT = DATA_PATH / "static"
STATICFILES_DIRS = [BASE_PATH / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"},
}

# --- Security -----------------------------------------------------------------------------------------------

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "form-action": [SELF],
    }
}
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
# Browsers heed it over TLS only and complain on every page otherwise.
SECURE_CROSS_ORIGIN_OPENER_POLICY = None
# The site is served over plain HTTP on a lab's own wire; docs/DEPLOYMENT.md tells how to put TLS before it.
SILENCED_SYSTEM_CHECKS = ["security.W004", "security.W008", "security.W012", "security.W016"]
AXES_VERBOSE = False
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = 0.25  # hours
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_LOCKOUT_TEMPLATE = "registration/locked.html"
AXES_RESET_ON_SUCCESS = True
# A JSON body: the largest document of our API is a few KiB; disk bytes are streamed and never parsed.
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024

# --- Celery -------------------------------------------------------------------------------------------------


def _celery_broker(url: str) -> str:
    """Redis's own spelling of a unix socket as Celery wants it."""
    return url.replace("unix://", "redis+socket://", 1).replace("?db=", "?virtual_host=")


STORAGE_QUEUE = f"storage.{STORAGE_NODE}"
JOBS_QUEUE = f"{STORAGE_QUEUE}.jobs"  # work that may take hours has a worker of its own
CELERY_BROKER_URL = _celery_broker(REDIS_URL)
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_DEFAULT_QUEUE = "control"
CELERY_TASK_ROUTES = {"images.work": {"queue": JOBS_QUEUE}, "images.*": {"queue": STORAGE_QUEUE}}
CELERY_TASK_TIME_LIMIT = 600
CELERY_TASK_SOFT_TIME_LIMIT = 570
# Above the longest time limit of a task, or Redis would hand a running task to a second worker.
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 25 * 3600,
    "socket_timeout": 10,
    "socket_connect_timeout": 5,
    # Whoever sends a message tries twice, at once: kombu's own patience would make a person wait for 6 s.
    # Workers and beat have theirs from CELERY_BROKER_CONNECTION_MAX_RETRIES.
    "max_retries": 1,
    "interval_start": 0.1,
}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_TASK_PUBLISH_RETRY = False  # the timer picks up what a lost message would have started
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CONVERGE_INTERVAL_SECONDS = 1.0  # sessions are seen to the second, drift is mended within ten
CELERY_BEAT_SCHEDULE = {
    "converge-storage": {
        "task": "images.converge",
        "schedule": schedule(CONVERGE_INTERVAL_SECONDS),
        "options": {"queue": STORAGE_QUEUE, "expires": CONVERGE_INTERVAL_SECONDS},
    },
    "work-on-jobs": {
        "task": "images.work",
        "schedule": schedule(CONVERGE_INTERVAL_SECONDS),
        "options": {"queue": JOBS_QUEUE, "expires": CONVERGE_INTERVAL_SECONDS},
    },
    "converge-bootflow": {
        "task": "bootflow.converge",
        "schedule": schedule(CONVERGE_INTERVAL_SECONDS),
        "options": {"queue": "control", "expires": CONVERGE_INTERVAL_SECONDS},
    },
    "go-on-with-bulk-changes": {
        "task": "bootflow.bulk",
        "schedule": schedule(CONVERGE_INTERVAL_SECONDS),
        "options": {"queue": "control", "expires": CONVERGE_INTERVAL_SECONDS},
    },
}
if STORAGE_ONLY:  # the first host's timer does these
    del CELERY_BEAT_SCHEDULE["converge-bootflow"], CELERY_BEAT_SCHEDULE["go-on-with-bulk-changes"]

# --- History ------------------------------------------------------------------------------------------------

# The oldest go first, a few rows at a time (docs/DATA_STRUCTURE.md).
BOOT_HISTORY_DAYS = env.int("BOOT_HISTORY_DAYS", default=90)
BOOT_HISTORY_MAX = env.int("BOOT_HISTORY_MAX", default=100_000)  # boots in all
BOOT_HISTORY_DEVICE_MAX = env.int("BOOT_HISTORY_DEVICE_MAX", default=2_000)  # boots of one device
CHANGE_HISTORY_DAYS = env.int("CHANGE_HISTORY_DAYS", default=365)  # the journal: who changed what
CHANGE_HISTORY_MAX = env.int("CHANGE_HISTORY_MAX", default=100_000)
DISCOVERED_DAYS = env.int(
    "DISCOVERED_DAYS", default=30
)  # a machine that nobody approved and that has not asked since is forgotten

# --- Logs ---------------------------------------------------------------------------------------------------

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    "loggers": {
        # A line for each round of each converger, every second, would bury everything else.
        name: {"level": "WARNING"}
        for name in ("celery.app.trace", "celery.beat", "celery.worker.strategy", "celery.worker.request")
    },
}
