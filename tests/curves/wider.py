"""More runs for the tuning half: of the kinds that rules mistook when they first saw them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import nn

from tests.curves import tasks
from tests.curves.studies import Study, Task

LOSSES = ("train_loss", "val_loss")
ACC = (*LOSSES, "train_accuracy", "val_accuracy")
R2 = (*LOSSES, "train_r2", "val_r2")
_LATE = ("CRV011", "CRV012")


def _well(
    name: str, cause: str, task: Callable[[], Task], layout: str, *, condition: str = "healthy",
    **more: object,
) -> Study:  # fmt: skip
    return Study(f"well_{name}", condition, cause, task, layout, allowed=_LATE, **more)


def _language() -> list[Study]:
    few = partial(tasks.words, 24, 6)
    return [
        _well("words_ppl", "a word model", partial(tasks.words, 32), "csv", epochs=15, rate=3e-3,
              columns=(*LOSSES, "val_perplexity")),
        _well("words_acc", "a word model, accuracy of a quarter", few, "jsonl", epochs=10,
              rate=3e-3, columns=ACC),
        _well("letters_acc", "a character model", tasks.letters, "keras", epochs=12, rate=3e-3,
              columns=ACC),
        _well("letters_pairs", "each character from the one before",
              partial(tasks.letters, "pairs"), "steps_csv", epochs=16, rate=0.02,
              columns=("train_loss", "lr"), schedule="warm-up"),
        _well("letters_state", "a character model", partial(tasks.letters, "gru", 24),
              "trainer_state", epochs=10, rate=2e-3, columns=("val_loss", "val_accuracy"),
              schedule="cosine"),
        _well("letters_steps", "a character model, batches of four",
              partial(tasks.letters, rows=900), "steps_txt", epochs=6, batch=4, rate=2e-3),
        _well("letters_one", "a character model, one window a step",
              partial(tasks.letters, "gru", 24, 700), "steps_gz", epochs=2, batch=1, rate=2e-3,
              columns=("train_loss", "train_accuracy")),
        _well("words_cut", "a word model cut short", few, "printed", epochs=8, rate=8e-4,
              columns=ACC, condition="still improving", expected=("CRV012",)),
    ]  # fmt: skip


def _slow() -> list[Study]:
    well = partial(_well, condition="slow start")
    return [
        well("modular", "sums modulo 17", tasks.modular, "csv", epochs=120, rate=2e-3, batch=64,
             optimiser="adamw",
             columns=("train_loss", "train_accuracy")),
        well("parity", "four of ten bits", tasks.parity, "slash_json", epochs=80, rate=3e-3,
             columns=ACC),
        well("parity_sgd", "three of ten bits", partial(tasks.parity, 3), "steps_csv", epochs=60,
             optimiser="sgd", rate=0.15, columns=("train_loss",)),
        well("parity_loss", "four of ten bits", partial(tasks.parity, 4, 10, 1500, 32), "jsonl",
             epochs=70, optimiser="momentum", rate=0.03, columns=LOSSES),
        well("deep_tanh", "twelve layers without norm",
             partial(tasks.deep, 12, nn.Tanh, "digits", 1.15), "keras", epochs=40,
             optimiser="momentum", rate=0.008, columns=ACC, schedule="cosine"),
        well("deep_sigmoid", "three layers of sigmoids", partial(tasks.deep, 3, nn.Sigmoid),
             "tensorboard", epochs=50, optimiser="momentum", rate=0.08, columns=ACC),
        well("deep_relu", "six layers without norm", partial(tasks.deep, 6, nn.ReLU), "lightning",
             epochs=30, optimiser="momentum", rate=0.02, columns=ACC),
        well("sigmoid_blobs", "three layers of sigmoids",
             partial(tasks.deep, 3, nn.Sigmoid, "blobs"), "printed", epochs=60, rate=2e-3,
             columns=ACC),
        well("small_rate", "a small rate", partial(tasks.pictures, "digits"), "timm", epochs=30,
             optimiser="momentum", rate=1.5e-3, columns=(*LOSSES, "val_accuracy")),
    ]  # fmt: skip


def _weak() -> list[Study]:
    well = partial(_well, condition="weak signal")
    return [
        well("flipped", "35 % of the labels are wrong", tasks.flipped, "csv", epochs=20,
             rate=3e-3, columns=ACC),
        well("flipped_five", "30 % of the labels are wrong", partial(tasks.flipped, 0.3, 4000, 5),
             "jsonl", epochs=20, rate=3e-3, columns=ACC),
        well("flipped_steps", "30 % of the labels are wrong", partial(tasks.flipped, 0.3),
             "steps_jsonl", epochs=6, rate=3e-3, batch=16, columns=("train_loss", "val_loss")),
        well("weak", "R2 of 0.15", tasks.weak, "keras", epochs=15, rate=2e-3, columns=R2),
        well("weak_loss", "R2 of 0.3", partial(tasks.weak, 0.6), "printed", epochs=15, rate=2e-3),
    ]  # fmt: skip


def _tables() -> list[Study]:
    return [
        _well("r2_housing", "R2", partial(tasks.sheet, "housing"), "jsonl", epochs=20, columns=R2,
              decay=1e-3),
        _well("r2_friedman", "R2", partial(tasks.sheet, "friedman"), "slash_json", epochs=25,
              columns=R2, schedule="cosine", rate=2e-3),
        _well("r2_diabetes", "R2 of a half", partial(tasks.sheet, "diabetes", 8), "csv", epochs=25,
              columns=(*LOSSES, "val_r2"), decay=0.01, rate=2e-3),
        _well("rare", "one of twenty is positive", tasks.rare, "keras", epochs=15, columns=ACC),
        _well("rare_apart", "one of thirty is positive", partial(tasks.rare, 0.033, 2400, 0.8),
              "printed", epochs=12, rate=2e-3, columns=ACC),
        _well("hundred", "a hundred classes", partial(tasks.prototypes, 100, 4000, 1.0), "timm",
              epochs=25, rate=2e-3, columns=(*LOSSES, "val_accuracy"), decay=1e-4),
        _well("hundred_cut", "a hundred classes, cut short",
              partial(tasks.prototypes, 100, 4000, 1.0), "csv", epochs=10, rate=4e-4,
              columns=ACC, condition="still improving", expected=("CRV012",)),
        _well("smooth", "label smoothing of 0.2", partial(tasks.prototypes, 30, 3000, 1.0, 64, 0.2),
              "tensorboard", epochs=20, rate=3e-3, columns=ACC),
        _well("tuned_head", "a new head on a frozen body", tasks.tuned, "csv", epochs=20,
              rate=2e-3, columns=ACC),
        _well("tuned_all", "a body that has learnt", partial(tasks.tuned, False), "trainer_state",
              epochs=8, rate=5e-4, columns=("val_loss", "val_accuracy")),
        _well("tuned_steps", "a run resumed near its floor", partial(tasks.sheet, "digits"),
              "steps_csv", epochs=4, warm=6, batch=8, columns=("train_loss", "lr"), rate=5e-4),
        _well("restarts", "cosine restarts", partial(tasks.pictures, "digits", 8), "keras",
              epochs=32, rate=5e-3, schedule="restarts", columns=(*ACC, "lr")),
        _well("tail", "a long flat tail", partial(tasks.sheet, "cancer", 8), "csv", epochs=150,
              rate=2e-3, decay=0.02, columns=LOSSES, batch=64),
        _well("warm_bump", "a warm-up to a high rate", partial(tasks.sheet, "digits", norm=True),
              "csv", epochs=25, optimiser="momentum", rate=0.15, schedule="one-cycle",
              columns=(*ACC, "lr")),
        _well("dropout", "dropout of a half", partial(tasks.sheet, "digits", 96, 0.5), "printed",
              epochs=20, columns=ACC),
    ]  # fmt: skip


def _odd() -> list[Study]:
    return [
        _well("tiny_val", "24 validation rows", partial(tasks.sheet, "blobs", 24, 0.2, 24), "csv",
              epochs=25, columns=ACC, decay=1e-3),
        _well("tiny_val_acc", "40 validation rows", partial(tasks.sheet, "digits", 48, 0.1, 40),
              "jsonl", epochs=25, columns=(*LOSSES, "val_accuracy"), decay=1e-3),
        _well("tiny_val_r2", "30 validation rows", partial(tasks.sheet, "friedman", 24, 0.0, 30),
              "keras", epochs=30, columns=R2, decay=1e-3),
        _well("batch_one", "one row a step", partial(tasks.sheet, "digits", 32, 0.0, 10**6, 900),
              "steps_gz", epochs=3, batch=1, optimiser="sgd", rate=5e-3,
              columns=("train_loss", "train_accuracy")),
        _well("batch_two", "two rows a step", partial(tasks.sheet, "friedman", 24), "steps_jsonl",
              epochs=3, batch=2, rate=1e-3),
        _well("batch_eight", "eight rows a step", partial(tasks.pictures, "outlines", 8),
              "lightning", epochs=14, batch=8, rate=1.5e-3, columns=(*LOSSES, "val_accuracy")),
        _well("contrast", "InfoNCE", tasks.views, "csv", epochs=20),
        _well("likeness", "a negative loss", partial(tasks.views, tasks.likeness), "jsonl",
              epochs=20),
        _well("likelihood", "a loss that goes below zero", tasks.likelihood, "printed", epochs=30,
              rate=2e-3),
        _well("cut_digits", "cut short", partial(tasks.deep, 2, nn.ReLU), "csv", epochs=22,
              optimiser="sgd", rate=8e-3, columns=ACC, condition="still improving",
              expected=("CRV012",)),
        _well("cut_blobs", "cut short", partial(tasks.sheet, "blobs", 24), "tensorboard",
              epochs=12, rate=4e-4, columns=ACC, condition="still improving",
              expected=("CRV012",)),
    ]  # fmt: skip


def runs() -> list[Study]:
    """All of them."""
    return [*_language(), *_slow(), *_weak(), *_tables(), *_odd()]
