"""The pytest plugin: the fixture `assert_healthy`. Imports torch when a test asks for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from netdoctor.report import Report


@pytest.fixture(scope="session")
def assert_healthy() -> Callable[..., Report]:
    """`netdoctor.assert_healthy`: `assert_healthy(model, loader, select=["ACT"])`."""
    import netdoctor

    return netdoctor.assert_healthy
