"""Sick runs for the tuning half, of the kinds that rules missed when they first saw them."""

from __future__ import annotations

from functools import partial

from torch import nn

from tests.curves import tasks
from tests.curves.studies import Study

LOSSES = ("train_loss", "val_loss")
ACC = (*LOSSES, "train_accuracy", "val_accuracy")


def _gap() -> list[Study]:
    gap = partial(Study, condition="generalisation gap", expected=("CRV004", "CRV001"),
                  allowed=("CRV008", "CRV001"), columns=ACC)  # fmt: skip
    return [
        gap("gap_digits_early", cause="few rows, few epochs", layout="csv", epochs=12, batch=16,
            task=partial(tasks.sheet, "digits", 64, rows=70), rate=3e-3, schedule="cosine"),
        gap("gap_letters_early", cause="few windows", layout="jsonl", epochs=14, rate=0.01,
            task=partial(tasks.letters, "gru", 64, 60), batch=8, schedule="cosine"),
        gap("gap_outlines_early", cause="few rows, few epochs", layout="timm", epochs=14, batch=8,
            task=partial(tasks.pictures, "outlines", 12, 80), rate=3e-3, schedule="cosine"),
        gap("gap_hundred", cause="few rows a class", layout="keras", epochs=20,
            task=partial(tasks.prototypes, 50, 400, 1.0, 128), rate=3e-3, schedule="cosine"),
    ]  # fmt: skip


def _flat() -> list[Study]:
    flat = partial(Study, condition="not learning", expected=("CRV010",),
                   allowed=("CRV002", "CRV007"))  # fmt: skip
    return [
        flat("stuck_words", cause="a rate of a millionth", layout="jsonl", epochs=10, rate=1e-7,
             task=tasks.words, columns=(*LOSSES, "val_perplexity")),
        flat("stuck_rare", cause="the outputs detached from the graph", layout="keras", epochs=12,
             task=tasks.rare, trouble="detached", columns=ACC),
        flat("stuck_hundred", cause="labels shuffled", layout="csv", epochs=15, optimiser="sgd",
             rate=0.02, task=tasks.prototypes, trouble="unmatched labels", columns=ACC),
        flat("stuck_r2", cause="another network's optimiser", layout="printed", epochs=20,
             task=partial(tasks.sheet, "friedman"), trouble="optimiser of another network",
             columns=(*LOSSES, "val_r2")),
        flat("stuck_steps", cause="labels shuffled", layout="steps_csv", epochs=8, batch=8,
             optimiser="sgd", rate=0.01, task=partial(tasks.pictures, "digits"),
             trouble="unmatched labels", columns=("train_loss", "train_accuracy")),
        flat("stuck_tanh", cause="twelve layers, weights too small", layout="keras", epochs=30,
             optimiser="momentum", rate=0.02, task=partial(tasks.deep, 12, nn.Tanh, "digits", 0.7),
             columns=ACC),
        flat("stuck_relu", cause="ten layers without norm", layout="lightning", epochs=20,
             optimiser="momentum", rate=0.01, task=partial(tasks.deep, 10, nn.ReLU), columns=ACC),
    ]  # fmt: skip


def _rates() -> list[Study]:
    nan = partial(Study, condition="NaN loss", expected=("CRV005",),
                  allowed=("CRV003", "CRV006", "CRV009", "CRV001"))  # fmt: skip
    late = partial(Study, condition="divergence", expected=("CRV006",), clip=5.0,
                   allowed=("CRV001", "CRV003", "CRV005", "CRV008", "CRV009"))  # fmt: skip
    return [
        nan("nan_grows", cause="a rate that grows", layout="csv", epochs=25, optimiser="sgd",
            rate=0.02, task=partial(tasks.sheet, "housing"), trouble="rate grows", when=(0.4,),
            strength=1e4),
        nan("nan_grows_steps", cause="a rate that grows", layout="steps_csv", epochs=8,
            optimiser="sgd", rate=0.02, task=partial(tasks.sheet, "friedman"),
            trouble="rate grows", when=(0.5,), strength=1e4, columns=("train_loss", "lr")),
        late("diverge_last", cause="a rate that grows late", layout="jsonl", epochs=30,
             optimiser="momentum", rate=0.01, task=partial(tasks.sheet, "digits"),
             trouble="rate grows", when=(0.7,), strength=1e4, columns=ACC),
        late("diverge_last_words", cause="a rate that grows late", layout="trainer_state",
             epochs=12, rate=2e-3, task=tasks.words, trouble="rate grows", when=(0.6,),
             strength=1e4, columns=("val_loss",)),
    ]  # fmt: skip


def _spikes() -> list[Study]:
    spike = partial(Study, condition="loss spikes", expected=("CRV009",),
                    allowed=("CRV003", "CRV008"))  # fmt: skip
    return [
        spike("spike_small", cause="a rate 80 times too high for a step", layout="csv",
              epochs=30, rate=2e-3, task=partial(tasks.sheet, "digits", 48, 0.1),
              trouble="rate spike", when=(0.6,),
              strength=80.0, columns=LOSSES),
        spike("spike_small_r2", cause="a batch of targets in another unit", layout="keras",
              epochs=30, task=partial(tasks.sheet, "friedman"), trouble="targets in another unit",
              when=(0.5,), strength=6.0, columns=(*LOSSES, "val_r2")),
        spike("spike_steps_small", cause="a batch of inputs not scaled", layout="steps_csv",
              epochs=8, task=partial(tasks.pictures, "digits"), trouble="unscaled batch",
              when=(0.45, 0.8), strength=12.0, columns=("train_loss",), most=400, rate=2e-3),
    ]  # fmt: skip


def _swings() -> list[Study]:
    swing = partial(Study, condition="oscillating validation", expected=("CRV008",),
                    allowed=("CRV001", "CRV003", "CRV004", "CRV009"))  # fmt: skip
    rough = partial(Study, condition="unstable training", expected=("CRV003",),
                    allowed=("CRV002", "CRV006", "CRV007", "CRV009"))  # fmt: skip
    return [
        swing("swing_blobs", cause="running statistics of the last batch", layout="jsonl",
              epochs=25, batch=6, task=tasks.small_steps, columns=ACC),
        swing("swing_housing", cause="running statistics of the last batch", layout="csv",
              epochs=25, batch=6, task=partial(tasks.small_steps, "housing"),
              columns=(*LOSSES, "val_r2")),
        rough("rough_steps", cause="a rate at the edge", layout="steps_csv", epochs=12,
              optimiser="momentum", rate=0.22, task=partial(tasks.sheet, "digits"),
              columns=("train_loss",), expected=("CRV003", "CRV006")),
        rough("rough_steps_adam", cause="a rate at the edge", layout="steps_jsonl", epochs=12,
              rate=0.05, task=partial(tasks.sheet, "waves"), columns=("train_loss",),
              expected=("CRV003", "CRV009")),
        rough("rough_steps_txt", cause="a rate at the edge", layout="steps_txt", epochs=15,
              optimiser="momentum", rate=0.3, task=partial(tasks.pictures, "outlines"),
              columns=("train_loss",)),
    ]  # fmt: skip


def _too_little() -> list[Study]:
    under = partial(Study, condition="underfitting", expected=("CRV002",),
                    allowed=("CRV007", "CRV011", "CRV012"), columns=ACC)  # fmt: skip
    return [
        under("under_hundred_narrow", cause="three hidden units", layout="csv", epochs=30,
              task=partial(tasks.prototypes, 100, 4000, 0.5, 3), rate=3e-3),
        under("under_digits_narrow", cause="one hidden unit", layout="keras", epochs=40,
              task=partial(tasks.sheet, "digits", 1), rate=5e-3),
        under("under_waves_linear", cause="a linear model", layout="jsonl", epochs=30,
              task=partial(tasks.sheet, "waves", 1, hidden=0), rate=3e-3,
              expected=("CRV002", "CRV010", "CRV001", "CRV004")),
        under("under_spirals_decay", cause="weight decay far too heavy", layout="printed",
              epochs=40, task=partial(tasks.sheet, "spirals"), decay=0.3, rate=3e-3,
              expected=("CRV002", "CRV010", "CRV006")),
        under("under_outlines_dropout", cause="dropout of 0.9", layout="slash_json", epochs=25,
              task=partial(tasks.pictures, "outlines", 8, drop=0.9), rate=2e-3),
        under("under_blobs_two", cause="two hidden units", layout="tensorboard", epochs=40,
              task=partial(tasks.sheet, "blobs", 2), rate=5e-3),
        under("under_letters_one", cause="two numbers a character", layout="csv", epochs=15,
              task=partial(tasks.letters, "gru", 2), rate=5e-3),
        under("under_blobs_slow", cause="a rate far too low", layout="timm", epochs=30,
              task=partial(tasks.sheet, "blobs", 24), optimiser="sgd", rate=2e-3,
              columns=(*LOSSES, "val_accuracy"), expected=("CRV002", "CRV010")),
    ]  # fmt: skip


def _gentle() -> list[Study]:
    late = partial(Study, condition="divergence", expected=("CRV006",),
                   allowed=("CRV001", "CRV003", "CRV008", "CRV009", "CRV010"))  # fmt: skip
    return [
        late("diverge_slowly", cause="the sign of the step is wrong", layout="csv", epochs=15,
             task=partial(tasks.sheet, "digits"), optimiser="sgd", rate=2e-3, trouble="ascent",
             columns=ACC, expected=("CRV006", "CRV010")),
        late("diverge_slowly_steps", cause="the sign of the step is wrong", layout="steps_jsonl",
             epochs=6, task=partial(tasks.sheet, "waves"), optimiser="sgd", rate=0.03,
             trouble="ascent", columns=("train_loss",)),
    ]  # fmt: skip


def runs() -> list[Study]:
    """All of them."""
    return [*_too_little(), *_gentle(), *_gap(), *_flat(), *_rates(), *_spikes(), *_swings()]
