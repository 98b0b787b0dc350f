"""Raspberry Pis: how they are told from PCs, and what their firmware reads."""
