"""The healthy runs of the second held-out set. Nobody tunes on these."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from tests.curves import fresh_sequences as sequences
from tests.curves import fresh_sick
from tests.curves import fresh_tasks as tables
from tests.curves.studies import Study, Task

LOSSES = ("train_loss", "val_loss")
ACC = (*LOSSES, "train_accuracy", "val_accuracy")
VAL = (*LOSSES, "val_accuracy")
CUT = {"condition": "still improving", "expected": ("CRV012",)}


def _well(
    name: str, cause: str, task: Callable[[], Task], layout: str, *, condition: str = "healthy",
    **more: object,
) -> Study:  # fmt: skip
    return Study(f"fresh_{name}", condition, cause, task, layout, half="held-out-2",
                 allowed=("CRV011", "CRV012"), **more)  # fmt: skip


def _pictures() -> list[Study]:
    return [
        _well("faces", "drawn faces", partial(tables.faces, drop=0.2), "keras_bars", epochs=18,
              optimiser="nadam", columns=ACC),
        _well("masks", "segmentation", tables.masks, "wandb_csv", epochs=15, rate=3e-3,
              optimiser="rmsprop", columns=(*LOSSES, "val_dice")),
        _well("masks_steps", "segmentation, four pictures a step", tables.masks, "detectron",
              epochs=3, batch=4, rate=2e-3, optimiser="nadam", columns=("train_loss", "lr")),
        _well("masks_tuned", "segmentation resumed near its floor", tables.masks, "timm_real",
              epochs=10, warm=12, rate=2e-3, optimiser="adamax", columns=(*LOSSES, "val_dice")),
        _well("rebuilt", "an autoencoder with cross-entropy", tables.rebuilt, "loguru", epochs=25,
              rate=5e-3, optimiser="adamax"),
        _well("dreamt", "a variational autoencoder", tables.dreamt, "mae_log", epochs=25,
              rate=3e-3, optimiser="rmsprop"),
        _well("mixer", "a mixer, warmed up and cooled down", tables.mixer, "timm_real", epochs=30,
              rate=5e-3, optimiser="radam", schedule="one-cycle", columns=VAL),
        _well("mixer_cut", "a mixer cut short", tables.mixer, "mae_log", epochs=9, rate=1.5e-3,
              optimiser="adamw", columns=VAL, **CUT),
    ]  # fmt: skip


def _tables() -> list[Study]:
    weak = {"condition": "weak signal"}
    return [
        _well("friedman2", "Friedman's second function", tables.curves, "skorch", epochs=25,
              rate=0.01, optimiser="nesterov", columns=("train_loss", "val_loss", "val_r2")),
        _well("friedman3", "Friedman's third function", partial(tables.curves, kind=3),
              "keras_events", epochs=25, rate=5e-4, optimiser="nadam",
              columns=(*LOSSES, "train_mae", "val_mae")),
        _well("roll", "the Swiss roll", tables.roll, "loguru", epochs=30, rate=3e-3,
              optimiser="radam", columns=(*LOSSES, "val_mae")),
        _well("roll_pinball", "the ninth decile on the Swiss roll",
              partial(tables.roll, quantile=0.9), "wandb_csv", epochs=25, rate=2e-3,
              optimiser="rmsprop"),
        _well("flowers", "iris, 40 validation rows", tables.flowers, "skorch", epochs=40, rate=0.05,
              optimiser="adagrad", columns=VAL),
        _well("flowers_full", "iris, all rows a step", tables.flowers, "loguru", epochs=32,
              batch=110, rate=0.003, optimiser="rprop", columns=ACC),
        _well("flowers_tuned", "iris, nearly learnt before", sequences.tuned_flowers, "mae_log",
              epochs=15, rate=2e-3, optimiser="radam", columns=VAL),
        _well("cover", "seven uneven classes", tables.cover, "keras_events", epochs=10, rate=0.01,
              optimiser="adagrad", columns=ACC),
        _well("hastie_cut", "cut short", tables.hastie, "hf_printed", epochs=9, rate=0.01,
              optimiser="nesterov", columns=("val_loss", "val_accuracy"), **CUT),
        _well("shells", "shells, 40 % of the labels drawn anew", partial(tables.quantiles, 0.4),
              "keras_bars", epochs=15, rate=2e-3, optimiser="nadam", columns=ACC, **weak),
        _well("cover_wrong", "a quarter of the labels wrong",
              partial(tables.cover, 16, wrong=0.25), "mmlab", epochs=14, rate=2e-3,
              optimiser="rmsprop", decay=1e-3, columns=VAL, schedule="cosine", **weak),
    ]  # fmt: skip


def _sequences() -> list[Study]:
    return [
        _well("forecast", "the next value", sequences.forecast, "keras_events", epochs=20,
              rate=5e-4, optimiser="rmsprop", columns=(*LOSSES, "val_mae"), schedule="cosine"),
        _well("forecast_two", "the next value, two rows a step", sequences.forecast, "detectron",
              epochs=3, batch=2, rate=1e-3, optimiser="nadam", columns=("train_loss", "lr")),
        _well("reversal", "symbols backwards", sequences.reversal, "loguru", epochs=25, rate=2e-3,
              optimiser="radam", columns=ACC, condition="slow start"),
        _well("markov", "a drawn language", sequences.markov, "fairseq", epochs=9, rate=4e-3,
              optimiser="nadam",
              columns=(*LOSSES, "train_perplexity", "val_perplexity")),
        _well("markov_acc", "a drawn language of 64 symbols", partial(sequences.markov, 64),
              "mmlab", epochs=8, rate=2e-3, optimiser="rmsprop", columns=VAL),
        _well("markov_hf", "a drawn language", partial(sequences.markov, 30, 24), "hf_printed",
              epochs=10, rate=5e-3, optimiser="adamw", schedule="warm-up",
              columns=("val_loss", "val_accuracy")),
        _well("several", "several labels", sequences.several, "keras_bars", epochs=12, rate=3e-3,
              optimiser="nadam", columns=(*LOSSES, "train_f1", "val_f1")),
        _well("graded", "grades", sequences.graded, "wandb_csv", epochs=25, rate=0.05,
              optimiser="nesterov", columns=(*LOSSES, "val_mae")),
        _well("counts", "counts, a loss below zero", sequences.counts, "skorch", epochs=20,
              rate=3e-3, optimiser="adamax"),
        _well("distilled", "a teacher's answers", sequences.distilled, "loguru", epochs=25,
              rate=3e-3, optimiser="radam"),
        _well("apart", "triplets", sequences.apart, "mae_log", epochs=15, rate=1e-3,
              optimiser="rmsprop", decay=1e-3, schedule="cosine"),
    ]  # fmt: skip


def runs() -> list[Study]:
    """All of them."""
    return [*_pictures(), *_tables(), *_sequences(), *fresh_sick.runs()]
