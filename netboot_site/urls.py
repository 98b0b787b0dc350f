"""Every address of the site (DESIGN.md, section 8)."""

from django.contrib import admin
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import LoginView, LogoutView
from django.urls import include, path
from django.views.generic import RedirectView

from bootflow.firmware_urls import firmware_patterns
from netboot_site import dashboard
from netboot_site.api import api
from netboot_site.doctor import page as doctor

handler500 = "netboot_site.faults.server_error"
urlpatterns = [
    *firmware_patterns,
    path("", dashboard.index, name="dashboard"),
    path("dashboard/live/", dashboard.live, name="dashboard-live"),
    path("doctor/", doctor.index, name="doctor"),
    path("doctor/live/", doctor.live, name="doctor-live"),
    path("doctor/run/", doctor.run, name="doctor-run"),
    path("login/", LoginView.as_view(redirect_authenticated_user=True), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("", include("bootflow.urls")),
    path("", include("images.urls")),
    path("admin/login/", login_not_required(RedirectView.as_view(pattern_name="login", query_string=True))),
    path("admin/", admin.site.urls),
    path("", api.urls),
]
