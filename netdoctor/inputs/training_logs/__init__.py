"""Training logs: what trainers write, found by content and not by name. No torch."""

from __future__ import annotations

from netdoctor.inputs.training_logs.reading import read, read_lists

__all__ = ["read", "read_lists"]
