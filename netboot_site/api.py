"""The REST API: one NinjaAPI, each room's router, and the one place where our errors become a status."""

from __future__ import annotations

from django.core.exceptions import RequestDataTooBig
from django.db import DataError, InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI, Swagger
from ninja.errors import HttpError

from bootflow.api import router as bootflow_router
from devices.api import router as devices_router
from images.api import router as images_router
from netboot_site.auth import API_AUTH
from netboot_site.dashboard_api import router as dashboard_router
from netboot_site.doctor.calls import show_doctor
from netboot_site.doctor.told import DoctorOut
from netboot_site.errors import (
    ConflictError,
    NotFoundError,
    OrchestratorError,
    OutdatedError,
    UnavailableError,
    ValidationError,
)
from netboot_site.faults import AWAY
from netboot_site.health import Health, health
from netboot_site.json_body import ObjectParser
from netboot_site.metrics import metrics

STATUS_OF_ERROR: dict[type[OrchestratorError], int] = {
    ValidationError: 422,
    NotFoundError: 404,
    ConflictError: 409,
    OutdatedError: 412,
    UnavailableError: 503,
}

api = NinjaAPI(
    title="Netboot Orchestrator",
    version="1",
    description="Boot machines from the network, each from its own iSCSI disk.",
    docs=Swagger(settings={"deepLinking": True}),  # pages link to single calls
    docs_url="/docs",
    openapi_url="/openapi.json",
    auth=API_AUTH,
    parser=ObjectParser(),
)
api.add_router("/api/v1", devices_router)
api.add_router("/api/v1", images_router)
api.add_router("/api/v1", bootflow_router)
api.add_router("/api/v1", dashboard_router)
api.get(
    "/health",
    auth=None,
    response={200: Health, 503: Health},
    tags=["operation"],
    summary="Is every service at work?",
)(health)
api.get(
    "/api/v1/doctor", response=DoctorOut, tags=["operation"], summary="What is wrong, and what mends it?"
)(show_doctor)
api.get("/metrics", auth=API_AUTH, tags=["operation"], summary="Figures for Prometheus")(metrics)


@api.exception_handler(OrchestratorError)
def refuse(request: HttpRequest, error: OrchestratorError) -> HttpResponse:
    """One of our own errors, as its status and sentence."""
    return api.create_response(request, {"detail": str(error)}, status=STATUS_OF_ERROR[type(error)])


@api.exception_handler(HttpError)
def refuse_request(request: HttpRequest, error: HttpError) -> HttpResponse:
    """The framework's own refusal; of a body that cannot be read it would not say why."""
    why = error.__cause__ if isinstance(error.__cause__, OrchestratorError) else error
    return api.create_response(request, {"detail": str(why)}, status=error.status_code)


@api.exception_handler(RequestDataTooBig)
def too_large(request: HttpRequest, error: RequestDataTooBig) -> HttpResponse:
    """A document of this API is a few KiB."""
    return api.create_response(request, {"detail": "This body is larger than 1 MiB."}, status=413)


@api.exception_handler(OperationalError)
@api.exception_handler(InterfaceError)
def database_down(request: HttpRequest, error: Exception) -> HttpResponse:
    """PostgreSQL does not answer: say so, and not how we reach it."""
    return api.create_response(request, {"detail": AWAY}, status=503)


@api.exception_handler(DataError)
def does_not_fit(request: HttpRequest, error: DataError) -> HttpResponse:
    """PostgreSQL cannot hold a value: the last net below the checks that name the field."""
    return api.create_response(request, {"detail": "A value is too long or out of range."}, status=422)
