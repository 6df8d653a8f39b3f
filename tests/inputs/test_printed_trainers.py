"""What well-known trainers print: the series, their roles, the axis and its labels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from netdoctor.errors import NoCurveYetError
from netdoctor.inputs.training_logs import read
from tests.inputs.logs import ROWS, TRAIN, TRAIN_ACC, VAL, VAL_ACC, first, only_run

_PLACES = range(5)


def epochs(one: Callable[[int, float, float, float, float], str]) -> str:
    return "".join(one(*row) for row in ROWS)


def batches(loss: float, one: Callable[[int, float], str]) -> str:
    """Five lines of an epoch at whose end that loss is reached."""
    return "".join(one(place, loss + (4 - place) / 20) for place in _PLACES)


# The text; the points of the training loss; the labels of the first and the last epoch.
PRINTED: dict[str, tuple[str, int, tuple[float, float]]] = {
    "mnist": (epochs(lambda e, t, v, _, va: batches(t, lambda b, loss:
        f"Train Epoch: {e + 1} [{b * 640}/60000 ({b * 20}%)]\tLoss: {loss:.6f}\n")
        + f"\nTest set: Average loss: {v:.4f}, Accuracy: {va * 10000:.0f}/10000 ({va:.0%})\n\n"),
        50, (1, 10)),
    "imagenet": (epochs(lambda e, t, v, _, va: batches(t, lambda b, loss:
        f"Epoch: [{e}][{b * 10:5d}/   50]\tTime  0.123 ( 0.200)\tLoss {loss:.4e} (9.9e+00)\t"
        "Acc@5  50.00 ( 50.00)\n")
        + f"Test: [3/3]\tTime  0.1 ( 0.1)\tLoss 8.0e+00 ({v:.4e})\tAcc@1  10.00 ({va * 100:6.2f})\n"
        f" *   Acc@1 {va * 100:.3f}\n"), 50, (0, 9)),
    "torchvision": (epochs(lambda e, t, v, _, va: batches(t, lambda b, loss:
        f"Epoch: [{e}]  [{b * 10:4d}/50]  eta: 0:10:05  lr: 0.1  img/s: 1500.1  loss: {loss:.4f} "
        "(9.9)  acc5: 90.0000 (90.0)  max mem: 6000\n")
        + f"Epoch: [{e}] Total time: 0:10:00\nTest:   [ 9/10]  eta: 0:00:00  loss: 7.0 ({v:.4f})  "
        f"acc1: 9.0 ({va * 100:.4f})  max mem: 6000\nTest:  Acc@1 {va * 100:.3f}\n"), 50, (0, 9)),
    "timm": (epochs(lambda e, t, v, _, va: batches(t, lambda b, loss:
        f"Train: {e} [{b * 10:>4d}/50 ({b * 20:>3.0f}%)]  Loss: {loss:#.4g} (9.9)  Time: 0.350s,  "
        "731.40/s  (0.350s,  731.4/s)  LR: 5.000e-02  Data: 0.010 (0.010)\n")
        + f"Test: [   4/4]  Time: 0.1 (0.1)  Loss:  {9:>7.3f} ({v:>6.3f})  Acc@1: {9:>7.3f} "
        f"({va * 100:>7.3f})\n"), 50, (0, 9)),
    "word_language_model": (epochs(lambda e, t, v, _, va: batches(t, lambda b, loss:
        f"| epoch {e + 1:3d} | {b * 200 + 200:5d}/ 1000 batches | lr 20.00 | ms/batch 12.05 | "
        f"loss {loss:5.2f}\n") + f"{'-' * 89}\n| end of epoch {e + 1:3d} | time: 66.01s | "
        f"valid loss {v:.3f} | valid acc {va:.2f}\n{'-' * 89}\n"), 50, (1, 10)),
    "pytorch_tutorial": (epochs(lambda e, t, v, _, va:
        f"EPOCH {e + 1}:\n  batch 1000 loss: {t + 1}\n  batch 2000 loss: {t}\n"
        f"LOSS train {t} valid {v}\nvalid acc {va}\n"), 10, (1, 10)),
    "quickstart": (epochs(lambda e, t, v, _, va: f"Epoch {e + 1}\n-----------------\n"
        + batches(t, lambda b, loss: f"loss: {loss:>7f}  [{b * 6400 + 64:>5d}/60000]\n")
        + f"Test Error: \n Accuracy: {va * 100:>0.1f}%, Avg loss: {v:>8f} \n\n"), 50, (1, 10)),
    "xgboost_sklearn": (epochs(lambda e, t, v, _, va:
        f"[{e}]\tvalidation_0-logloss:{t:.5f}\tvalidation_1-logloss:{v:.5f}\t"
        f"validation_1-auc:{va:.5f}\n"), 10, (0, 9)),
    "xgboost_times": (epochs(lambda e, t, v, _, va:
        f"[10:00:00] [{e}]\ttrain-error:{t:.5f}\teval-error:{v:.5f}\teval-auc:{va:.5f}\n"),
        10, (0, 9)),
    "ultralytics": (epochs(lambda e, t, v, _, va:
        "      Epoch    GPU_mem       loss   Instances       Size\n"
        f"\r       {e + 1}/10      2.34G      9.9999        120        640:  50%|█████     | 25/50 "
        f"[00:05<00:05, 5.00it/s]\r       {e + 1}/10      2.34G      {t:.4f}        120        "
        "640: 100%|██████████| 50/50 [00:10<00:00,  5.00it/s]\n"
        "                 Class     Images   val/loss      Box(P          R      mAP50-95): "
        "100%|██████████| 5/5 [00:01<00:00,  5.00it/s]\n"
        f"                   all        128      {v:.3f}      0.700      0.500      {va:.3f}\n"),
        10, (1, 10)),
    "description": (epochs(lambda e, t, v, _, va: "".join(
        f"\rEpoch {e} loss: {t + (5 - b) / 9:.4f}: {b * 20:3d}%|██   | {b}/5 [00:00<00:01, 9it/s]"
        for b in range(6)) + f"\nEpoch {e} val loss: {v:.4f} val acc: {va}\n"), 10, (0, 9)),
}  # fmt: skip


@pytest.mark.parametrize("name", PRINTED)
def test_what_trainers_print(name: str, tmp_path: Path) -> None:
    text, count, labels = PRINTED[name]
    (tmp_path / "a.log").write_text(text, encoding="utf-8", newline="")
    run = only_run(tmp_path / "a.log")
    train, held_out = first(run, "train loss"), first(run, "validation loss")
    metric = first(run, "validation metric")
    assert run.axis == "epoch"
    assert len(train.x) == count
    np.testing.assert_allclose(train.y[count // 10 - 1 :: count // 10], TRAIN, atol=0.006)
    np.testing.assert_allclose(held_out.y, VAL, atol=1e-3)
    np.testing.assert_allclose(metric.y, VAL_ACC, atol=1e-3)
    for curve in (held_out, metric):
        assert (curve.x[0], curve.x[-1]) == labels
    assert train.x[-1] == labels[1]


def test_a_printed_table_with_words_apart(tmp_path: Path) -> None:
    rows = epochs(lambda e, t, *_: f"{e + 1:10d} {t:16.4f} {'1.20s':>16}\n")
    (tmp_path / "a.log").write_text(f"      Iter       Train Loss   Remaining Time \n{rows}")
    run = only_run(tmp_path / "a.log")
    np.testing.assert_allclose(first(run, "train loss").y, TRAIN)
    np.testing.assert_array_equal(first(run, "train loss").x, np.arange(1, 11))


def test_a_bar_and_a_duration_are_no_values(tmp_path: Path) -> None:
    text = epochs(
        lambda e, t, v, ta, va: (
            f"Epoch[{e}] Train-accuracy={ta}\nEpoch[{e}] Time cost=9.1\n"
            f"Epoch[{e}] Validation-accuracy={va}\nrecall: 100%|████| 5/5 [00:01, 5it/s]\n"
            "mAP@.5 mAP@.5:.95: 100%|███| 5/5\n"
        )
    )
    (tmp_path / "a.log").write_text(text)
    run = only_run(tmp_path / "a.log")
    assert sorted(curve.name for curve in run.curves) == ["Train-accuracy", "Validation-accuracy"]
    np.testing.assert_allclose(first(run, "train metric").y, TRAIN_ACC)
    (tmp_path / "b.log").write_text("Box(P R mAP50-95): 100%|███| 5/5 [00:01, 5it/s]\n" * 9)
    with pytest.raises(NoCurveYetError):
        read(tmp_path / "b.log")
