"""The picture of training curves: what is drawn is what was measured."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import netdoctor
from netdoctor.plots.curves import figure, thinned
from netdoctor.plots.save import save_figures
from tests.inputs.logs import TRAIN, TRAIN_ACC, VAL, VAL_ACC


def drawn(lists: dict[str, list[float]]) -> Figure:
    """The picture of a log of those lists."""
    report = netdoctor.diagnose_curves(lists)
    (run,) = report.facts.runs
    return figure(run)


def labels(axes: Axes) -> list[str]:
    return axes.get_legend_handles_labels()[1]


def line(axes: Axes, label: str) -> np.ndarray:
    """(n, 2) the points of a line of the legend."""
    (found,) = [each for each in axes.lines if each.get_label() == label]
    return np.asarray(found.get_xydata())


def test_the_diagnosis_is_drawn_in() -> None:
    sheet = drawn({"loss": TRAIN, "val_loss": VAL, "acc": TRAIN_ACC, "val_acc": VAL_ACC})
    losses, metrics = sheet.axes
    assert labels(losses) == ["loss", "val_loss", "best epoch 5", "overfitting"]
    np.testing.assert_array_equal(line(losses, "val_loss")[:, 1], VAL)
    np.testing.assert_array_equal(line(metrics, "val_acc")[:, 1], VAL_ACC)
    np.testing.assert_array_equal(line(losses, "best epoch 5")[:, 0], [5, 5])
    texts = [each.get_text() for each in sheet.texts]
    assert any(text.startswith("overfitting: val_loss rises") for text in texts)


def test_nan_is_marked_where_it_is() -> None:
    loss = [2.0, 1.5, 1.2, 1.0, np.nan, np.nan, np.nan]
    (axes,) = drawn({"loss": loss}).axes
    assert "NaN or infinite (3 of loss)" in labels(axes)
    np.testing.assert_array_equal(line(axes, "NaN or infinite (3 of loss)")[:, 0], [4, 5, 6])


def test_a_wide_range_gets_a_log_axis_and_a_narrow_one_does_not() -> None:
    wide = [10.0 / 2**e for e in range(12)]
    assert drawn({"loss": wide}).axes[0].get_yscale() == "log"
    assert drawn({"loss": TRAIN}).axes[0].get_yscale() == "linear"


def test_a_spike_survives_thinning() -> None:
    rng = np.random.default_rng(0)
    y = rng.random(100_001)
    y[41_234], y[70_000] = 50.0, -50.0
    x, kept = thinned(np.arange(100_001.0), y, 2000)
    assert len(kept) <= 2000
    assert (np.diff(x) > 0).all()
    assert kept.max() == 50
    assert kept.min() == -50
    np.testing.assert_array_equal(kept, y[x.astype(int)])
    edges = np.linspace(0, len(y), 1001).astype(int)
    for low, high in itertools.pairwise(edges):
        inside = kept[(x >= low) & (x < high)]
        assert (inside.min(), inside.max()) == (y[low:high].min(), y[low:high].max())


@pytest.mark.parametrize(
    "lists",
    [
        {"loss": [1.0, 0.9, 0.8, 0.7, 0.6]},
        {"loss": [1.0, 1.0]},
        {"loss": [np.nan] * 5},
        {"loss": [0.0] * 8, "val_loss": [0.0] * 8},
        {"loss": [1e300, 1e-300, 1.0], "lr": [0.1, 0.0, 0.0]},
        {"loss": [-1.0, -5.0, -200.0, 3e9]},
        {"_train_loss $x_1$": TRAIN, "val_loss [b]\x1b[31m 🙂": VAL},
        {"val_acc": VAL_ACC},
    ],
    ids=["short", "flat", "nan", "zeros", "extremes", "negative", "names", "metric-only"],
)
def test_every_log_can_be_drawn(lists: dict[str, list[float]], tmp_path: Path) -> None:
    (path,) = save_figures([("curves", drawn(lists))], tmp_path)
    assert Path(path).stat().st_size > 5000
