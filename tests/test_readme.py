from __future__ import annotations

import json
from pathlib import Path

import pytest

from netdoctor.rules import catalogue
from tests import readme

PAGE = "# Title\n<!-- rules -->\nold\n<!-- end -->\nkept <!-- other -->\nx\n<!-- end -->\n"


def test_blocks_are_generated_and_the_rest_is_kept() -> None:
    page = readme.filled(PAGE)
    assert "\nold\n" not in page
    for code, rule in catalogue().items():
        assert f"| {code} | `{rule.slug}` | {rule.severity.value} |" in page
    assert page.startswith("# Title\n<!-- rules -->\n")
    assert page.endswith("kept <!-- other -->\nx\n<!-- end -->\n")
    assert readme.filled(page) == page


def test_check_tells_what_is_out_of_date_and_write_mends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "README.md"
    file.write_text(PAGE, encoding="utf-8")
    monkeypatch.setattr(readme, "README", file)
    assert readme.main(["--check"]) == 1
    assert "rules out of date: run `make readme`" in capsys.readouterr().err
    assert readme.main(["--write"]) == 0
    assert readme.main(["--check"]) == 0
    assert readme.main([]) == 2


def test_help_is_80_columns_of_plain_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    text = readme.help_of("deadneurons")
    assert "--per-position" in text
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= 80


def test_the_bench_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "bench.json"
    monkeypatch.setattr(readme, "BENCH", file)
    assert readme.bench("") == ""
    row = {"work": "resnet18", "ratio": 1.0912, "limit": "forward", "goal": 1.12, "met": True}
    file.write_text(json.dumps([row]), encoding="utf-8")
    assert readme.bench("").endswith("| resnet18 | 1.09× | ≤ 1.12× | forward | yes |\n")
