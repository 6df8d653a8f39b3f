from __future__ import annotations

import gc

import pytest

from netdoctor.cli.importing import uncollected


def test_the_collector_rests_during_imports_alone() -> None:
    with uncollected():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_it_is_back_after_an_import_that_fails() -> None:
    with pytest.raises(ModuleNotFoundError), uncollected():
        import no_such_module  # type: ignore[import-not-found]  # noqa: F401
    assert gc.isenabled()


def test_whoever_turned_it_off_finds_it_off() -> None:
    gc.disable()
    try:
        with uncollected():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
