"""The sick runs of the third held-out set that fit or learn badly. Nobody tunes on these."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from tests.curves import unseen_layouts as lay
from tests.curves import unseen_pictures as pictures
from tests.curves import unseen_plain as plain
from tests.curves import unseen_rates as rates
from tests.curves import unseen_tables as tables
from tests.curves import unseen_text as text
from tests.curves.studies import Task
from tests.curves.unseen_loop import Fit, Layout, Rows, Trial

LOSSES = {"train_loss": "train_loss", "val_loss": "val_loss"}
ACC = LOSSES | {"train_accuracy": "train_acc", "val_accuracy": "val_acc"}
KERAS = {"train_loss": "loss", "train_accuracy": "accuracy", "val_loss": "val_loss",
         "val_accuracy": "val_accuracy"}  # fmt: skip


def _overfitting() -> list[Trial]:
    def over(name: str, cause: str, curves: Callable[[], Rows], layout: Layout,
             expected: tuple[str, ...] = ("CRV001",)) -> Trial:  # fmt: skip
        return Trial(f"hurt_{name}", "overfitting", cause, curves, layout, expected,
                     ("CRV004", "CRV008"))  # fmt: skip

    both = ("CRV001", "CRV004")

    return [
        over("prose_gpt_long", "few pages, a wide GPT, long",
             Fit(partial(text.prose, width=64, windows=120), rates.adamw(3e-3), 45, 24),
             partial(lay.trainer_state, names={"val_loss": "eval_loss",
                                               "val_perplexity": "eval_perplexity"})),
        over("prose_gru_long", "few pages, a wide GRU, long",
             Fit(partial(text.prose, "gru", 96, 100), rates.adam(5e-3), 40, 16),
             partial(lay.printed, epoch="Epoch: {e} | Train Loss: {train_loss:.3f} | Train PPL: "
                     "{train_perplexity:7.3f}\n\t Val. Loss: {val_loss:.3f} |  Val. PPL: "
                     "{val_perplexity:7.3f}", ending="txt")),
        over("photographs_wrong", "one label of four wrong, few pictures",
             Fit(partial(pictures.photographs, 24, 250, wrong=0.25), rates.adam(3e-3), 60, 16),
             partial(lay.lightning, names=LOSSES | {"val_accuracy": "val_acc", "train_accuracy":
                     "train_acc"})),
        over("ratings_wide", "forty numbers a user, no decay",
             Fit(partial(tables.ratings, 40, 4000), rates.adam(5e-3), 35, 64),
             partial(lay.epochs_csv, names={"train_rmse": "train_rmse", "val_rmse": "val_rmse"}),
             both),
        over("boosted_deep", "deep trees, wrong labels, many rounds",
             plain.boosted(3, 0.2, 150, 200, 0.15),
             partial(lay.printed, epoch="[{e}]\ttrain-logloss:{train_loss:.5f}\ttest-logloss:"
                     "{val_loss:.5f}", first=0, ending="txt")),
        over("communities_bare", "a wide graph network without dropout",
             Fit(partial(tables.communities, 64, drop=0.0, learnt=60, inside=0.03),
                 rates.adam(0.02), 120, 500),
             partial(lay.wandb, names={"train_loss": "train_loss", "val_loss": "val_loss",
                                       "train_accuracy": "train_acc", "val_accuracy": "val_acc"})),
        over("sources_long", "few lines, wide, long",
             Fit(partial(text.sources, 96, 300), rates.adamw(3e-3), 40, 16),
             partial(lay.history, names={"train_loss": "loss", "val_loss": "val_loss",
                                         "train_f1": "f1", "val_f1": "val_f1"}), both),
        over("houses_restarts", "few rows, wide, warm restarts",
             Fit(partial(tables.houses, 128, 120, noise=0.6), rates.adam(4e-3), 80, 20,
                 rates.restarts(4)),
             partial(lay.epochs_csv, names=LOSSES | {"lr": "lr"})),
        over("decided_late", "wrong labels, a low rate: late",
             Fit(partial(tables.decided, 128, 350, wrong=0.3, act=nn.ReLU), rates.sgd(0.002, 0.9),
                 220, 32),
             partial(lay.wandb, names={"train_loss": "train/loss", "val_loss": "valid/loss",
                                        "train_accuracy": "train/acc", "val_accuracy":
                                        "valid/acc"}), both),
        over("segmented_few", "sixteen pictures, long",
             Fit(partial(pictures.segmented, 24, 16), rates.adam(6e-3), 120, 8),
             partial(lay.printed, epoch="Epoch {e}/{of} train_loss: {train_loss:.4f} val_loss: "
                     "{val_loss:.4f} val_mIoU: {val_miou:.4f}")),
    ]  # fmt: skip


def _gap() -> list[Trial]:
    def gap(name: str, cause: str, curves: Callable[[], Rows], layout: Layout) -> Trial:
        return Trial(f"hurt_{name}", "generalisation gap", cause, curves, layout,
                     ("CRV004", "CRV001"), ("CRV008",))  # fmt: skip

    return [
        gap("prose_other", "validated on a module's source",
            Fit(partial(text.prose, "lstm", 40, other="tarfile"), rates.adam(3e-3), 14, 32),
            partial(lay.trainer_state, names={"val_loss": "eval_loss", "val_accuracy":
                                              "eval_accuracy"})),
        gap("moved_lying", "those that validate lie on their side",
            Fit(partial(pictures.moved_digits, 10, turn=True), rates.adam(2e-3), 14, 32),
            partial(lay.epochs_csv, names=KERAS, first=0)),
        gap("photographs_bright", "those that validate are overexposed",
            Fit(partial(pictures.photographs, 10, bright=0.6), rates.sgd(0.05, 0.9), 16, 32,
                rates.cosine()),
            partial(lay.wandb, names={"train_loss": "train/loss", "train_accuracy": "train/acc",
                                      "val_loss": "val/loss", "val_accuracy": "val/acc"})),
        gap("boosted_gap", "deep trees on few rows", plain.boosted(2, 0.08, 90, 60),
            partial(lay.printed, epoch="[{e}]\ttraining's binary_logloss: {train_loss:.6f}\t"
                    "valid_1's binary_logloss: {val_loss:.6f}")),
        gap("glanced_few", "few digits, cooled down",
            Fit(partial(pictures.glanced, rows=150), rates.adamw(3e-3), 40, 25, rates.cosine()),
            partial(lay.lines, names={"train_loss": "train_loss", "val_loss": "test_loss",
                                      "train_accuracy": "train_acc1",
                                      "val_accuracy": "test_acc1"})),
        gap("segmented_gap", "twenty pictures, cooled down",
            Fit(partial(pictures.segmented, 16, 20), rates.adam(5e-3), 60, 8, rates.cosine()),
            partial(lay.lightning, names={"train_loss": "train/loss", "train_miou": "train/mIoU",
                                          "val_loss": "val/loss", "val_miou": "val/mIoU"})),
        gap("sources_few", "few lines, cooled down",
            Fit(partial(text.sources, 32, 240), rates.adamw(2e-3, 0.5), 25, 16, rates.cosine()),
            partial(lay.printed, epoch="epoch {e} train loss {train_loss:.3f} train acc "
                    "{train_accuracy:.3f} valid loss {val_loss:.3f} valid acc "
                    "{val_accuracy:.3f}")),
    ]  # fmt: skip


def _frozen(make: Callable[[], Task], keep: int = 2) -> Task:
    made = make()
    for parameter in list(made.network.parameters())[:-keep] if keep else made.network.parameters():
        parameter.requires_grad_(False)
    return made


def _underfitting() -> list[Trial]:
    def under(name: str, cause: str, curves: Callable[[], Rows], layout: Layout,
              expected: tuple[str, ...] = ("CRV002",)) -> Trial:  # fmt: skip
        return Trial(f"hurt_{name}", "underfitting", cause, curves, layout, expected,
                     ("CRV007", "CRV010", "CRV011", "CRV012"))  # fmt: skip

    slow = ("CRV002", "CRV010", "CRV012")
    return [
        under("sources_two", "two numbers a letter, in a bag",
              Fit(partial(text.sources, 1, bag=True), rates.adam(0.01), 25, 32),
              partial(lay.epochs_csv, names=ACC)),
        under("moved_decay", "decay far too heavy",
              Fit(partial(pictures.moved_digits, 8), rates.adam(2e-3, 0.05), 25, 32),
              partial(lay.lightning, names=ACC), ("CRV002", "CRV010")),
        under("decided_frozen", "a frozen body of three drawn features",
              Fit(lambda: _frozen(partial(tables.decided, 3, hidden=1)), rates.adam(0.02), 30, 32),
              partial(lay.history, names=KERAS)),
        under("glanced_slow", "a rate far too low",
              Fit(pictures.glanced, rates.sgd(2e-3), 15, 32),
              partial(lay.trainer_state, names={"val_loss": "eval_loss", "val_accuracy":
                                                "eval_accuracy"}), slow),
        under("moved_drowned", "dropout of 0.95",
              Fit(partial(pictures.moved_digits, 6, drop=0.95), rates.adam(2e-3), 25, 32),
              partial(lay.printed, epoch="Epoch [{e}/{of}], Train Loss: {train_loss:.4f}, Train "
                      "Acc: {train_accuracy_pct:.2f}%, Val Loss: {val_loss:.4f}, Val Acc: "
                      "{val_accuracy_pct:.2f}%"), ("CRV002", "CRV011")),
        under("houses_line", "a linear model of bends",
              Fit(partial(tables.houses, 8, noise=0.1, hidden=0), rates.adam(5e-3), 25, 32),
              partial(lay.events, names=LOSSES | {"train_r2": "train_r2", "val_r2": "val_r2"}),
              ("CRV002", "CRV007")),
        under("communities_deep", "twelve layers blur the graph",
              Fit(partial(tables.communities, 16, 12, 0.0), rates.adam(0.01), 80, 500),
              partial(lay.epochs_csv, names=ACC), ("CRV002", "CRV010")),
    ]  # fmt: skip


def _plateau() -> list[Trial]:
    def flat(name: str, cause: str, curves: Callable[[], Rows], layout: Layout,
             expected: tuple[str, ...] = ("CRV007", "CRV002")) -> Trial:  # fmt: skip
        return Trial(f"hurt_{name}", "plateau", cause, curves, layout, expected,
                     ("CRV002", "CRV010", "CRV011"))  # fmt: skip

    return [
        flat("placed_dropped", "the rate dropped after a twelfth of the run",
             Fit(partial(pictures.placed, 8, momentum=None), rates.adam(2e-3), 36, 32,
                 rates.drops(0.08, 0.1, factor=0.01)),
             partial(lay.wandb, names={"train_loss": "train/loss", "train_accuracy": "train/acc",
                                       "val_loss": "val/loss", "val_accuracy": "val/acc",
                                       "lr": "lr"}), ("CRV007",)),
        flat("glanced_impatient", "a watcher without patience took the rate away",
             Fit(pictures.glanced, rates.adamw(1e-3), 40, 48, on_validation=rates.on_plateau(
                 0, 1e-3, threshold=0.2, min_lr=1e-8)),
             partial(lay.history, names=KERAS | {"lr": "learning_rate"}),
             ("CRV007", "CRV002", "CRV010")),
        flat("prose_brief_cosine", "the cosine ended after a sixth of the run",
             Fit(partial(text.prose, "gru", 32), rates.adam(2e-3), 24, 32, rates.cosine(0.15)),
             partial(lay.lightning, names=LOSSES | {"val_perplexity": "val_ppl"},
                     steps={"lr": "lr-Adam", "train_loss": "train_loss_step"}), ("CRV007",)),
        flat("moved_dropped", "the rate dropped too early, and is not in the log",
             Fit(partial(pictures.moved_digits, 8), rates.adam(2e-3), 40, 32,
                 rates.drops(0.07, factor=1e-4)),
             partial(lay.epochs_csv, names=ACC)),
        flat("boxes_dropped", "the rate dropped too early",
             Fit(pictures.boxes, rates.adamw(1e-3), 50, 32, rates.drops(0.05, factor=1e-4)),
             partial(lay.results, names={
                 "train_box": "train/box_loss", "train_cls": "train/cls_loss",
                 "val_map50": "metrics/mAP50(B)", "val_box": "val/box_loss",
                 "val_cls": "val/cls_loss", "lr": "lr/pg0"}), ("CRV007",)),
    ]  # fmt: skip


def _nothing(share: float, network: nn.Module) -> None:
    for parameter in network.parameters():
        if parameter.grad is not None:
            parameter.grad.zero_()


def _not_learning() -> list[Trial]:
    def still(name: str, cause: str, curves: Callable[[], Rows], layout: Layout,
              expected: tuple[str, ...] = ("CRV010",)) -> Trial:  # fmt: skip
        return Trial(f"hurt_{name}", "not learning", cause, curves, layout, expected,
                     ("CRV002", "CRV007"))  # fmt: skip

    def dead() -> Task:
        made = pictures.moved_digits(8)
        with torch.no_grad():
            made.network[0].bias.fill_(-20.0)
        return made

    return [
        still("placed_zeroed", "gradients are set to nothing before the step",
              Fit(partial(pictures.placed, 8), rates.sgd(0.05, 0.9), 12, 64, gradients=_nothing),
              partial(lay.history, names=KERAS)),
        still("sources_stranger", "the optimiser has another network's weights",
              Fit(text.sources, rates.adamw(2e-3), 12, 32, stranger=True),
              partial(lay.trainer_state, names={"val_loss": "eval_loss", "val_f1": "eval_f1"})),
        still("prose_warming", "a warm-up that never comes up",
              Fit(text.prose, rates.adamw(1e-7), 10, 32, rates.rising(0.0, 20.0)),
              partial(lay.printed, ending="txt", most=120,
                      step="iter {n}: loss {train_loss:.4f}, time 40.10ms",
                      epoch="step {n}: train loss {train_loss:.4f}, val loss {val_loss:.4f}")),
        still("moved_shuffled", "labels shuffled",
              Fit(partial(pictures.moved_digits, 6, shuffled=True), rates.sgd(0.02), 20, 32),
              partial(lay.lightning, names=ACC)),
        still("moved_dead", "no unit of the first layer fires",
              Fit(dead, rates.sgd(0.01), 15, 32),
              partial(lay.epochs_csv, names={"train_loss": "train_loss", "val_loss": "val_loss",
                      "train_accuracy_pct": "train_acc", "val_accuracy_pct": "val_acc"})),
        still("lorenz_unhappy", "inputs of other windows than the targets",
              Fit(lambda: _torn(text.lorenz()), rates.sgd(0.01), 20, 32),
              partial(lay.events, names=LOSSES)),
        still("recall_far", "what to recall lies 60 steps back",
              Fit(partial(text.recall, 24, 60), rates.adam(1e-3), 15, 32),
              partial(lay.lines, names=ACC), ("CRV010", "CRV002")),
    ]  # fmt: skip


def _torn(made: Task) -> Task:
    for y in (made.y, made.test_y):
        y.copy_(y[torch.randperm(len(y))])
    return made


def runs() -> list[Trial]:
    """All of them."""
    return [*_overfitting(), *_gap(), *_underfitting(), *_plateau(), *_not_learning()]
