"""Composition root of Netboot Orchestrator, and its ground floor."""
