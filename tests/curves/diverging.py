"""Divergence in its kinds, and validation that jumps, for the tuning half."""

from __future__ import annotations

from functools import partial

from tests.curves import tasks
from tests.curves.studies import Study

LOSSES = ("train_loss", "val_loss")
ACC = (*LOSSES, "train_accuracy", "val_accuracy")
UNSTEADY = ("CRV001", "CRV003", "CRV004", "CRV008", "CRV009", "CRV010")
_late = partial(Study, condition="divergence", expected=("CRV006",), allowed=UNSTEADY)


def _raised() -> list[Study]:
    jump = partial(_late, trouble="rate jumps", cause="a schedule that raises the rate")
    grow = partial(_late, trouble="rate grows", cause="a rate that grows")
    return [
        jump("raised_digits", layout="csv", epochs=24, rate=2e-3, when=(0.5,), strength=200.0,
             task=partial(tasks.sheet, "digits"), columns=ACC),
        jump("raised_blobs_steps", layout="steps_csv", epochs=14, optimiser="momentum", rate=0.02,
             when=(0.6,), strength=60.0, task=partial(tasks.sheet, "blobs", 32),
             columns=("train_loss",)),
        jump("raised_friedman", layout="jsonl", epochs=25, rate=2e-3, when=(0.6,), strength=150.0,
             task=partial(tasks.sheet, "friedman")),
        jump("raised_accuracy", layout="keras", epochs=24, rate=2e-3, when=(0.5,), strength=300.0,
             task=partial(tasks.sheet, "waves"), columns=("train_accuracy", "val_accuracy")),
        jump("raised_likelihood", layout="csv", epochs=24, rate=2e-3, when=(0.6,), strength=60.0,
             task=tasks.likelihood),
        grow("grown_blobs", layout="keras", epochs=24, optimiser="momentum", rate=0.01,
             when=(0.3,), strength=1e3, task=partial(tasks.sheet, "blobs"), columns=ACC),
        grow("grown_letters", layout="trainer_state", epochs=10, rate=3e-3, when=(0.4,),
             strength=300.0, task=partial(tasks.letters, "gru", 24, 300), columns=("val_loss",)),
        grow("grown_housing_steps", layout="steps_gz", epochs=8, rate=2e-3, when=(0.5,),
             strength=2e3, task=partial(tasks.sheet, "housing"), columns=("train_loss",)),
    ]  # fmt: skip


def _too_high() -> list[Study]:
    high = partial(_late, cause="a rate far too high from the start")
    return [
        high("high_blobs_sgd", layout="csv", epochs=15, optimiser="sgd", rate=30.0, clip=1.0,
             task=partial(tasks.sheet, "blobs"), columns=ACC,
             expected=("CRV006", "CRV003", "CRV010")),
        high("high_housing_clipped", layout="printed", epochs=20, optimiser="sgd", rate=3.0,
             clip=1.0, task=partial(tasks.sheet, "housing"),
             expected=("CRV006", "CRV003", "CRV008", "CRV010")),
        _late("uncleared_letters", cause="gradients never cleared", layout="csv", epochs=12,
              optimiser="sgd", rate=2.0, trouble="gradients never cleared",
              task=partial(tasks.letters, "gru", 24, 300)),
        _late("uncleared_friedman", cause="gradients never cleared", layout="csv",
              epochs=24, optimiser="sgd", rate=2e-2, trouble="gradients never cleared",
              task=partial(tasks.sheet, "friedman"), expected=("CRV006", "CRV003")),
    ]  # fmt: skip


def _uphill() -> list[Study]:
    up = partial(_late, cause="the sign of the step is wrong", trouble="ascent", optimiser="sgd")
    return [
        up("uphill_letters_late", layout="jsonl", epochs=14, optimiser="adam", rate=2e-3,
           when=(0.7,), task=partial(tasks.letters, "gru", 24, 300)),
        up("uphill_friedman", layout="csv", epochs=20, rate=2e-4,
           task=partial(tasks.sheet, "friedman")),
        up("uphill_digits_gently", layout="timm", epochs=16, rate=1e-3,
           task=partial(tasks.sheet, "digits"), columns=ACC, expected=("CRV006", "CRV010")),
        up("uphill_blobs_steps", layout="steps_csv", epochs=10, rate=2e-3,
           task=partial(tasks.sheet, "blobs"), columns=("train_loss",),
           expected=("CRV006", "CRV010")),
        up("uphill_waves_late_steps", layout="steps_jsonl", epochs=14, optimiser="adam",
           rate=1e-3, when=(0.6,), task=partial(tasks.sheet, "waves"), columns=("train_loss",)),
        up("uphill_words", layout="tensorboard", epochs=8, rate=5e-3,
           task=partial(tasks.words, rows=500), expected=("CRV006", "CRV010")),
    ]  # fmt: skip


def _collapsed() -> list[Study]:
    dead = partial(_late, trouble="rate spike", cause="one step that kills the network")
    return [
        dead("dead_digits", layout="csv", epochs=24, rate=2e-3, when=(0.5,), strength=3e3,
             task=partial(tasks.sheet, "digits", 24), columns=ACC),
        dead("dead_blobs_steps", layout="steps_jsonl", epochs=16, rate=2e-3, when=(0.6,),
             strength=3e3, task=partial(tasks.sheet, "blobs", 24), columns=("train_loss",)),
        dead("dead_accuracy", layout="slash_json", epochs=20, rate=2e-3, when=(0.6,), strength=3e3,
             task=partial(tasks.sheet, "digits", 24), columns=("val_accuracy",)),
        dead("dead_val", layout="csv", epochs=20, rate=2e-3, when=(0.5,), strength=1e5,
             task=partial(tasks.sheet, "waves", 24), columns=("val_loss", "val_accuracy")),
        _late("decayed_blobs", cause="weight decay far too heavy", layout="csv", epochs=30,
              decay=0.3, rate=3e-3, task=partial(tasks.sheet, "blobs"), columns=ACC,
              expected=("CRV002", "CRV006", "CRV010")),
    ]  # fmt: skip


def _jumping() -> list[Study]:
    swing = partial(Study, condition="oscillating validation", expected=("CRV008",),
                    allowed=("CRV001", "CRV003", "CRV004", "CRV009"))  # fmt: skip
    few = partial(swing, cause="validated on a few rows, others each time",
                  trouble="validated on a few rows")  # fmt: skip
    return [
        swing("swing_waves", cause="running statistics of the last batch", layout="keras",
              epochs=24, batch=6, task=partial(tasks.small_steps, "waves"), columns=ACC),
        swing("swing_spirals", cause="running statistics of the last batch", layout="csv",
              epochs=30, batch=5, task=partial(tasks.small_steps, "spirals"), columns=ACC),
        few("swing_few_blobs", layout="jsonl", epochs=24, strength=8.0,
            task=partial(tasks.sheet, "blobs", 16)),
        few("swing_few_friedman", layout="csv", epochs=30, strength=6.0,
            task=partial(tasks.sheet, "friedman")),
        few("swing_few_accuracy", layout="csv", epochs=30, strength=16.0,
            columns=("train_accuracy", "val_accuracy"), task=partial(tasks.sheet, "blobs")),
    ]  # fmt: skip


def runs() -> list[Study]:
    """All of them."""
    return [*_raised(), *_too_high(), *_uphill(), *_collapsed(), *_jumping()]
