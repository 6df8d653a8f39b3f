"""Printed lines that name a number by its split alone, or label batches by their place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from netdoctor.errors import NoCurveYetError
from netdoctor.facts.curves import TrainingRun
from netdoctor.inputs.training_logs import read
from tests.inputs.logs import ROWS, TRAIN, VAL, VAL_ACC, first, only_run


def of(folder: Path, one: Callable[[int, float, float, float, float], str]) -> TrainingRun:
    (folder / "a.log").write_text("".join(one(*row) for row in ROWS), encoding="utf-8")
    return only_run(folder / "a.log")


CATBOOST = "total: 12.1ms\tremaining: 88ms\n"
LOSSES: dict[str, Callable[[int, float, float, float, float], str]] = {
    "catboost": lambda e, t, v, _, va:
        f"{e}:\tlearn: {t:.7f}\ttest: {v:.7f}\tbest: {min(VAL[: e + 1]):.7f} ({e})\t{CATBOOST}",
    "equals": lambda e, t, v, _, va: f"epoch {e} train={t:.4f} val={v:.4f}\n",
    "blanks": lambda e, t, v, _, va: f"ep {e:3d}  train {t:.4f}  val {v:.4f}\n",
    "beside a metric": lambda e, t, v, _, va:
        f"epoch {e} train={t:.4f} val={v:.4f} val_acc={va:.3f}\n",
    "under a word": lambda e, t, v, _, va: f"Epoch {e} Loss: train={t:.4f}, val={v:.4f}\n",
    "evaluating": lambda e, t, v, _, va:
        f"Epoch {e}/9\nLoss: {t:.4f}\nevaluating ...\nLoss: {v:.4f}\n",
    "twice": lambda e, t, v, _, va: f"Epoch {e} Loss: {t:.4f} Validation - Loss: {v:.4f}\n",
    "lightgbm": lambda e, t, v, _, va:
        f"[{e}]\ttraining's binary_logloss: {t:.5f}\tvalid_1's binary_logloss: {v:.5f}\n",
}  # fmt: skip


@pytest.mark.parametrize("name", LOSSES)
def test_both_losses_are_read(name: str, tmp_path: Path) -> None:
    run = of(tmp_path, LOSSES[name])
    train, held_out = first(run, "train loss"), first(run, "validation loss")
    np.testing.assert_allclose(train.y, TRAIN)
    np.testing.assert_allclose(held_out.y, VAL)
    np.testing.assert_array_equal(train.x, np.arange(10))
    assert train.measure == held_out.measure
    assert run.axis == "epoch"


def test_a_best_that_rises_makes_a_score_of_catboosts_metric(tmp_path: Path) -> None:
    best = np.maximum.accumulate(VAL_ACC)
    run = of(tmp_path, lambda e, t, v, ta, va:
             f"{e}:\ttest: {va:.7f}\tbest: {best[e]:.7f} ({e})\t{CATBOOST}")  # fmt: skip
    metric = first(run, "validation metric")
    np.testing.assert_allclose(metric.y, VAL_ACC)
    assert metric.better == 1


def test_splits_beside_a_loss_are_not_losses(tmp_path: Path) -> None:
    run = of(tmp_path, lambda e, t, v, ta, va:
             f"Epoch: {e:03d}, Loss: {t:.4f}, Train: {ta:.4f}, Val: {va:.4f}\n")  # fmt: skip
    assert [curve.name for curve in run.curves] == ["Loss"]


def test_splits_of_an_accuracy_and_sizes_are_not_losses(tmp_path: Path) -> None:
    for line in ("Epoch {e} Accuracy: train={ta}, val={va}\n", "train: 50000 val: 10000\n"):
        text = "".join(line.format(e=e, ta=ta, va=va) for e, _, _, ta, va in ROWS)
        (tmp_path / "a.log").write_text(text)
        with pytest.raises(NoCurveYetError):
            read(tmp_path / "a.log")


def test_a_validation_loss_that_is_printed_as_nan_is_kept(tmp_path: Path) -> None:
    run = of(tmp_path, lambda e, t, *_: f"epoch {e} train_loss {t:.4f} val_loss nan\n")
    assert np.isnan(first(run, "validation loss").y).all()


@pytest.mark.parametrize("epochs", [2, 3, 14])
def test_each_batch_of_an_epoch_counts(epochs: int, tmp_path: Path) -> None:
    text = "".join(
        f"[{e}/{epochs}][{b}/44] loss: {2 / (44 * e + b):.5f} grad_norm: 0.5\n"
        for e in range(1, epochs + 1) for b in range(4, 45, 4)
    )  # fmt: skip
    (tmp_path / "a.log").write_text(text)
    run = only_run(tmp_path / "a.log")
    train = first(run, "train loss")
    assert (len(train.y), run.axis) == (11 * epochs, "epoch")
    assert (np.diff(train.y) < 0).all()
    assert train.x[-1] == epochs


def test_two_epochs_of_batches_without_a_percentage_keep_their_tests(tmp_path: Path) -> None:
    text = "".join(
        "".join(f"Train Epoch: {e} [{b}/1300]\tLoss: {2 / (e + b / 1300):.6f}\n"
                for b in range(0, 1300, 100))
        + f"\nTest set: Average loss: {1 / e:.4f}, Accuracy: {9000 + e}/10000 (90%)\n\n"
        for e in (1, 2)
    )  # fmt: skip
    (tmp_path / "a.log").write_text(text)
    run = only_run(tmp_path / "a.log")
    assert len(first(run, "train loss").y) == 26
    np.testing.assert_allclose(first(run, "validation loss").y, [1, 0.5])
    np.testing.assert_allclose(first(run, "validation loss").x, [1, 2])
