"""Two threads that do not spin while they wait: tests share small machines."""

import os
import sys

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("OMP_NUM_THREADS", "2")
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ["NETDOCTOR_CACHE"] = "off"  # the user's own stays as it is

import pytest
from hypothesis import HealthCheck, settings

# On a busy machine examples take as long as they take.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@pytest.fixture(autouse=True)
def _own_import_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders of users' files leave the import path with the test: spawned workers inherit it."""
    monkeypatch.setattr(sys, "path", [*sys.path])
