"""Composition root of Netboot Orchestrator, and its ground floor."""

from netboot_site.celery import app as celery_app

__all__ = ["celery_app"]
