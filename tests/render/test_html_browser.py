"""The page in a real browser: from disk, without a network."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from netdoctor.__main__ import main
from netdoctor.render.html import Origin, render, render_error
from tests.render.browser import Browser, NoBrowserError, browser
from tests.render.pages import EVIL, checkup, hostile, hostile_origin, picture
from tests.render.sample import SICK

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parent.parent.parent
_ORIGIN = Origin("netdoctor checkup my_module:factory", "today", {"torch": "2.14.1"})
_LAYERS = "[...document.querySelectorAll('#tables .table td.name')].map(e => e.textContent.trim())"


@pytest.fixture(scope="module")
def window() -> Iterator[Browser]:
    try:
        with browser() as opened:
            yield opened
    except NoBrowserError as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A page of a checkup, one hostile in all its texts, one of an error."""
    folder = tmp_path_factory.mktemp("pages & <b>more")
    drawing = folder / "map.svg"
    drawing.write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" width="90" height="40" onload="alert(1)">'
        '<script>alert(1)</script><image href="http://localhost/x.png"/>'
        '<rect width="90" height="40" fill="teal"/></svg>'
    )
    noise = picture(folder / "noise.png", (1800, 1500), noise=True)
    pictures = [drawing, picture(folder / "a.png", (1400, 300)), noise]
    texts = {
        "checkup": render(checkup(), pictures, _ORIGIN),
        "hostile": render(hostile(checkup()), pictures, hostile_origin()),
        "error": render_error("checkup", _error(), hostile_origin()),
    }
    for name, text in texts.items():
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    return {name: folder / f"{name}.html" for name in texts}


def _error() -> Exception:
    from netdoctor.errors import ModelError

    return ModelError(f"it raised {EVIL}", hint=EVIL)


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1200, 400])
@pytest.mark.parametrize("name", ["checkup", "hostile", "error"])
def test_it_opens_without_a_complaint(
    window: Browser, pages: dict[str, Path], name: str, width: int, dark: bool
) -> None:
    window.open(pages[name], width=width, dark=dark)
    assert window.messages() == []
    first, *others = window.requests()
    assert first.startswith("file://")
    assert all(each.startswith("data:image/") for each in others)
    assert window.see("document.documentElement.scrollWidth <= innerWidth")
    assert window.see("document.body.scrollWidth <= innerWidth")
    assert window.see("[...document.images].every(e => e.complete && e.naturalWidth > 0)")
    assert window.see("document.images.length") == (0 if name == "error" else 3)


def test_a_hostile_name_stays_text(window: Browser, pages: dict[str, Path]) -> None:
    window.open(pages["hostile"])
    assert "<img src=x onerror=alert(1)>" in window.see("document.querySelector('h1').innerText")
    assert window.see("document.querySelectorAll('[onerror], [src=x], h1 *:not(wbr)').length") == 0
    assert window.see("document.scripts.length") == 1


def test_tables_sort(window: Browser, pages: dict[str, Path]) -> None:
    window.open(pages["checkup"])
    at_first = window.see(_LAYERS)
    rows = checkup().table("calls").rows
    assert at_first == [row["layer"] for row in rows]

    def click(column: int, table: int = 0) -> list[str]:
        window.see(
            f"document.querySelectorAll('#tables .table table')[{table}]"
            f".querySelectorAll('th button')[{column}].click()"
        )
        return window.see(_LAYERS)

    known = [row for row in rows if row["mean"] is not None]
    falling = [row["layer"] for row in sorted(known, key=lambda row: -row["mean"])]
    assert click(2) == [*falling, "blocks.7.relu#1"]
    sorts = "[...document.querySelectorAll('th[aria-sort]')].map(e => e.ariaSort)"
    assert window.see(sorts) == ["descending", "descending"]
    rising = [row["layer"] for row in sorted(known, key=lambda row: row["mean"])]
    assert click(2, table=1) == [*rising, "blocks.7.relu#1"]
    assert window.see(sorts) == ["ascending", "ascending"]
    assert click(2) == at_first
    assert window.see(sorts) == []
    assert click(0) == at_first  # blocks.2 before blocks.10
    assert click(0) == at_first[::-1]
    sizes = [row["layer"] for row in sorted(rows, key=lambda row: row["shape"][1])]
    assert click(1) == sizes
    assert window.see("document.querySelector('#tables tbody').rows.length") == 12


def test_headings_are_reached_by_keyboard(window: Browser, pages: dict[str, Path]) -> None:
    window.open(pages["checkup"])
    assert window.see(
        "[...document.querySelectorAll('th button')].every(e => e.tabIndex === 0 && e.textContent)"
    )
    assert window.see(
        "[...document.querySelectorAll('.table')].every(e => e.tabIndex === 0 && e.ariaLabel)"
    )


def test_everything_is_there_without_script(window: Browser, pages: dict[str, Path]) -> None:
    window.open(pages["checkup"], script=False)
    assert window.messages() == []
    assert window.see("document.querySelectorAll('th button').length") == 0
    assert len(window.see(_LAYERS)) == 300
    folded = "document.querySelector('#tables details table').checkVisibility()"
    assert not window.see(folded)
    window.see("document.querySelector('#tables summary').click()")
    assert window.see(folded)


def test_it_is_read_without_style(window: Browser, pages: dict[str, Path]) -> None:
    window.open(pages["checkup"])
    window.see("document.querySelector('style').remove()")
    said = window.see("document.body.innerText")
    parts = ["my_module:factory", "sick: 1 error", "12 of 512 values", "the loss is NaN",
             "blocks.3.relu#1", "3 rules applied", "the weights are not fresh"]  # fmt: skip
    places = [said.lower().index(part.lower()) for part in parts]
    assert places == sorted(places)


def _contrasts(window: Browser) -> list[float]:
    """Of every text with what is behind it, after WCAG 2.2, 1.4.3."""
    return window.see("""(() => {
      const parse = (c) => c.match(/[\\d.]+/g).map(Number);
      const light = (c) => {
        const f = parse(c).slice(0, 3).map((v) => v / 255)
          .map((v) => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
        return .2126 * f[0] + .7152 * f[1] + .0722 * f[2];
      };
      const behind = (e) => {
        for (; e; e = e.parentElement) {
          const c = getComputedStyle(e).backgroundColor;
          if (parse(c)[3] !== 0) return c;
        }
        return "rgb(255, 255, 255)";
      };
      const texts = [...document.querySelectorAll("body *")].filter((e) => e.checkVisibility()
        && [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()));
      return texts.map((e) => {
        const [a, b] = [light(getComputedStyle(e).color), light(behind(e))];
        return (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
      });
    })()""")


@pytest.mark.parametrize("dark", [False, True])
def test_texts_stand_out(window: Browser, pages: dict[str, Path], dark: bool) -> None:
    window.open(pages["checkup"], dark=dark)
    ground = window.see("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") == (not dark)
    assert min(_contrasts(window)) >= 4.5


def test_on_paper_it_is_light_and_unfolded(window: Browser, pages: dict[str, Path]) -> None:
    window.open(pages["checkup"], dark=True)
    window.on_paper()
    assert window.see("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not window.see("document.querySelector('nav').checkVisibility()")
    document = window.print()
    assert document.startswith(b"%PDF")
    if shutil.which("pdftotext"):
        said = subprocess.run(
            ["pdftotext", "-", "-"], input=document, capture_output=True, check=True
        ).stdout.decode()
        assert "All values are NaN." in said
        assert "Gradients are NaN." in said
        assert "layer 8" in said


def test_a_wide_picture_is_seen_in_full_size(window: Browser, pages: dict[str, Path]) -> None:
    window.open(pages["checkup"], width=400)
    width = "document.querySelectorAll('figure img')[1].getBoundingClientRect().width"
    assert window.see(width) < 400
    window.see("document.querySelectorAll('figure input')[1].click()")
    assert window.see(width) == 1400
    assert window.see("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("pictures", [[], ["--no-plots"]])
def test_a_real_examination(
    window: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pictures: list[str]
) -> None:
    monkeypatch.chdir(ROOT)
    file = tmp_path / "report.html"
    code = main([
        "deadneurons", "sample_models.networks:sick_dead_layer", "--quiet", *pictures,
        "--data", "sample_models.shapes:test_loader", "--batches", "4",
        "--out", str(tmp_path / "out"), "--report", f"html={file}",
    ])  # fmt: skip
    assert code == 1
    assert (tmp_path / "out").exists() == (not pictures)
    window.open(file)
    assert window.messages() == []
    assert window.see("[...document.images].map(e => e.naturalWidth > 300)") == [True]
    assert "ACT001" in window.see("document.querySelector('#findings').innerText")
    assert "--batches 4" in window.see("document.querySelector('#repeat').innerText")


def test_a_real_checkup(window: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    file = tmp_path / "report.html"
    code = main([
        "checkup", "sample_models.networks:sick_nan", "--quiet", "--batches", "2",
        "--data", "sample_models.shapes:train_loader",
        "--out", str(tmp_path / "out"), "--report", f"html={file}",
    ])  # fmt: skip
    assert code == 1
    window.open(file, width=400)
    assert window.messages() == []
    assert window.see("document.documentElement.scrollWidth <= innerWidth")
    assert window.see("document.images.length > 3")
    assert window.see("[...document.images].every(e => e.naturalWidth > 300)")
    said = "document.querySelector('article').innerText"
    assert "WGT001 nan-weight" in window.see(said)
    assert "GRD003" not in window.see(said)
    window.see("document.querySelector('article summary').click()")
    assert "GRD003" in window.see(said)
    assert "gradflow" in window.see("document.querySelector('#examined table').innerText")


HOSTILE_MODEL = """
from torch import nn
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.add_module("<img src=x onerror=alert(1)>", nn.Linear(12, 16))
        self.add_module("</td><script>alert(1)</script>", nn.ReLU())
        nn.init.constant_(next(self.children()).bias, -99.0)
    def forward(self, x):
        for child in self.children():
            x = child(x)
        return x
"""


def test_a_network_with_hostile_names(window: Browser, tmp_path: Path) -> None:
    model = tmp_path / "hostile_net.py"
    model.write_text(HOSTILE_MODEL)
    file = tmp_path / "a <b>&amp; report.html"
    code = main([
        "deadneurons", f"{model}:Net", "--input-shape", "12", "--quiet", "--batches", "4",
        "--out", str(tmp_path / "out"), "--report", f"html={file}",
    ])  # fmt: skip
    assert code == 1
    window.open(file)
    assert window.messages() == []
    assert "</td><script>alert(1)</script>" in window.see("document.body.innerText")
    assert "<img src=x onerror=alert(1)>" in window.see("document.body.textContent")
    assert window.see("document.querySelectorAll('[onerror], [src=x]').length") == 0
    assert window.see("document.scripts.length") == 1
    assert window.see("document.title").startswith("netdoctor deadneurons")
    assert window.see("[...document.images].every(e => e.naturalWidth > 300)")


def test_the_sample_of_the_text_report(window: Browser, tmp_path: Path) -> None:
    file = tmp_path / "sick.html"
    file.write_text(render(SICK), encoding="utf-8")
    window.open(file, width=400)
    assert window.messages() == []
    assert window.see("document.querySelectorAll('article').length") == 3
