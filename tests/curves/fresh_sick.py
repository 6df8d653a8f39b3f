"""The sick runs of the second held-out set. Nobody tunes on these."""

from __future__ import annotations

from functools import partial

from tests.curves import fresh_sequences as sequences
from tests.curves import fresh_tasks as tables
from tests.curves.studies import Study

LOSSES = ("train_loss", "val_loss")
ACC = (*LOSSES, "train_accuracy", "val_accuracy")
VAL = (*LOSSES, "val_accuracy")
_sick = partial(Study, half="held-out-2")


def _fits_wrongly() -> list[Study]:
    over = partial(_sick, condition="overfitting", expected=("CRV001",),
                   allowed=("CRV004", "CRV008"),
                   cause="few rows, no regularisation, long")  # fmt: skip
    gap = partial(_sick, condition="generalisation gap", expected=("CRV004", "CRV001"),
                  allowed=("CRV008",))  # fmt: skip
    return [
        over("ill_faces_long", task=partial(tables.faces, 16, 100, wrong=0.2), layout="timm_real",
             epochs=60, rate=2e-3, optimiser="nadam", columns=VAL),
        over("ill_cover_long", task=partial(tables.cover, 96, 250, wrong=0.2), epochs=50,
             layout="keras_events", rate=3e-3, optimiser="radam", columns=ACC),
        over("ill_markov_long", task=partial(sequences.markov, 40, 64, 100), layout="fairseq",
             epochs=50, rate=5e-3, optimiser="nadam", batch=16,
             columns=(*LOSSES, "train_perplexity", "val_perplexity")),
        gap("ill_roll_shift", cause="validation rows scaled otherwise", layout="loguru",
            task=partial(tables.roll, shift=0.35), epochs=30, rate=3e-3, optimiser="radam",
            columns=(*LOSSES, "train_mae", "val_mae")),
        gap("ill_faces_few", cause="few rows", layout="keras_bars", batch=16,
            task=partial(tables.faces, 8, 40), epochs=20, rate=2e-3, optimiser="rmsprop",
            schedule="cosine", columns=ACC),
        gap("ill_hastie_few", cause="few rows, decay", layout="wandb_csv", schedule="cosine",
            task=partial(tables.hastie, 48, 2, 120), epochs=40, rate=3e-3, optimiser="nadam",
            decay=1e-3, columns=ACC),
    ]  # fmt: skip


def _learns_badly() -> list[Study]:
    under = partial(_sick, condition="underfitting", expected=("CRV002", "CRV010"),
                    allowed=("CRV007", "CRV011", "CRV012"))  # fmt: skip
    flat = partial(_sick, condition="not learning", expected=("CRV010",),
                   allowed=("CRV002", "CRV007"))  # fmt: skip
    plateau = partial(_sick, condition="plateau", expected=("CRV007",),
                      allowed=("CRV002", "CRV010"), schedule="early drop",
                      cause="the rate dropped to nothing too early")  # fmt: skip
    return [
        under("ill_hastie_linear", cause="a linear model for shells", layout="skorch",
              task=partial(tables.hastie, 32, 0), epochs=30, rate=0.02, optimiser="adagrad",
              columns=VAL),
        under("ill_cover_decay", cause="weight decay far too heavy", layout="keras_events",
              task=tables.cover, epochs=30, rate=2e-3, optimiser="adamax", decay=0.5, columns=ACC,
              expected=("CRV002",)),
        under("ill_faces_slow", cause="a rate far too low for the epochs", layout="mmlab",
              task=tables.faces, epochs=20, rate=2e-3, optimiser="sgd", columns=VAL),
        flat("ill_masks_detached", cause="the outputs detached", layout="wandb_csv", epochs=12,
             task=tables.masks, trouble="detached", optimiser="nadam",
             columns=(*LOSSES, "train_dice", "val_dice")),
        flat("ill_faces_stranger", cause="another network's optimiser", layout="timm_real",
             epochs=15, task=tables.faces, trouble="optimiser of another network",
             optimiser="rmsprop", columns=VAL),
        flat("ill_reversal_still", cause="a rate of a millionth", layout="hf_printed", epochs=12,
             task=sequences.reversal, rate=1e-6, optimiser="adamw",
             columns=("val_loss", "val_accuracy")),
        plateau("ill_mixer_drop", task=tables.mixer, layout="mae_log", epochs=60, rate=3e-3,
                optimiser="adamw", columns=VAL),
        plateau("ill_faces_drop", task=tables.faces, layout="keras_bars", epochs=60,
                rate=2e-3, optimiser="adamw", columns=ACC),
        plateau("ill_cover_drop", task=tables.cover, layout="loguru", epochs=40, rate=2e-3,
                optimiser="nesterov", columns=(*ACC, "lr")),
    ]  # fmt: skip


def _blows_up() -> list[Study]:
    late = partial(_sick, condition="divergence", expected=("CRV006",),
                   allowed=("CRV001", "CRV003", "CRV005", "CRV008", "CRV009",
                            "CRV010"))  # fmt: skip
    nan = partial(_sick, condition="NaN loss", expected=("CRV005",),
                  allowed=("CRV001", "CRV003", "CRV006", "CRV009"))  # fmt: skip
    return [
        late("ill_masks_ascent", cause="the sign of the step is wrong", layout="detectron",
             task=tables.masks, epochs=8, rate=0.03, optimiser="sgd", trouble="ascent",
             columns=("train_loss",)),
        late("ill_dreamt_late", cause="a rate that grows late", layout="mae_log", epochs=25,
             task=tables.dreamt, rate=1e-3, optimiser="adamw", trouble="rate grows", when=(0.6,),
             strength=3e3),
        late("ill_cover_late", cause="a rate that grows late", layout="keras_bars", epochs=25,
             task=tables.cover, rate=0.01, optimiser="nesterov", trouble="rate grows", clip=5.0,
             when=(0.5,), strength=3e3, columns=ACC),
        nan("ill_counts_log", cause="the log of a negative output", layout="loguru", epochs=30,
            task=partial(sequences.counts, raw=True), rate=2e-3, optimiser="nadam"),
        nan("ill_faces_nan", cause="one NaN among the inputs", layout="timm_real", epochs=14,
            task=tables.faces, optimiser="rmsprop", trouble="NaN in a batch", when=(0.45,),
            columns=VAL),
        nan("ill_friedman_nan", cause="a rate that grows", layout="skorch", epochs=30,
            task=tables.curves, rate=0.02, optimiser="sgd", trouble="rate grows", when=(0.3,),
            strength=1e5, columns=("train_loss", "val_loss", "val_r2")),
    ]  # fmt: skip


def _swings() -> list[Study]:
    spike = partial(_sick, condition="loss spikes", expected=("CRV009",),
                    allowed=("CRV003", "CRV008"))  # fmt: skip
    rough = partial(_sick, condition="unstable training", expected=("CRV003",),
                    cause="a rate at the edge of stability",
                    allowed=("CRV001", "CRV002", "CRV004", "CRV006", "CRV007", "CRV008",
                             "CRV009"))  # fmt: skip
    swing = partial(_sick, condition="oscillating validation", expected=("CRV008",), batch=6,
                    cause="running statistics of the last batch", columns=ACC,
                    allowed=("CRV001", "CRV003", "CRV004", "CRV009"))  # fmt: skip
    return [
        spike("ill_cover_spike", cause="the rate 200 times too high for a step", layout="wandb_csv",
              task=tables.cover, epochs=24, rate=1e-3, optimiser="nadam", trouble="rate spike",
              when=(0.55,), strength=200.0, columns=VAL),
        spike("ill_forecast_spike", cause="a batch of targets in another unit", layout="loguru",
              task=sequences.forecast, epochs=25, rate=2e-3, optimiser="rmsprop",
              trouble="targets in another unit", when=(0.6,), strength=8.0),
        spike("ill_masks_spike", cause="a batch of inputs not scaled", layout="detectron",
              task=tables.masks, epochs=8, batch=16, rate=2e-3, optimiser="adamax",
              trouble="unscaled batch", when=(0.5,), strength=8.0, columns=("train_loss", "lr")),
        rough("ill_mixer_rough", task=tables.mixer, layout="timm_real", epochs=40, rate=0.08,
              optimiser="radam", columns=VAL, expected=("CRV003", "CRV009")),
        rough("ill_cover_rough", task=tables.cover, layout="keras_events", epochs=25, rate=0.1,
              optimiser="nesterov", columns=ACC, clip=5.0),
        rough("ill_hastie_rough", task=tables.hastie, layout="mae_log", epochs=25, rate=0.3,
              optimiser="nesterov", clip=5.0, columns=ACC),
        swing("ill_cover_swing", task=partial(tables.cover, 48, 600, 1.0), layout="keras_bars",
              epochs=25, optimiser="nadam"),
        swing("ill_hastie_swing", task=partial(tables.hastie, 48, 1, 600, 1.0), layout="loguru",
              epochs=25, optimiser="rmsprop"),
    ]  # fmt: skip


def runs() -> list[Study]:
    """All of them."""
    return [*_fits_wrongly(), *_learns_badly(), *_blows_up(), *_swings()]
