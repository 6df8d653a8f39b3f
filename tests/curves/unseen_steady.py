"""The healthy runs of the third held-out set on tables and without torch. Nobody tunes on these."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import nn

from tests.curves import unseen_layouts as lay
from tests.curves import unseen_plain as plain
from tests.curves import unseen_rates as rates
from tests.curves import unseen_tables as tables
from tests.curves import unseen_text as text
from tests.curves.unseen_loop import Fit, Layout, Rows, Trial, pretrained

KINDS = {
    "cut": ("still improving", ("CRV012",)), "below": ("validation below training", ("CRV011",))
}  # fmt: skip


def well(
    name: str, cause: str, curves: Callable[[], Rows], layout: Layout, kind: str = "healthy",
    also: tuple[str, ...] = (),
) -> Trial:  # fmt: skip
    """A healthy trial; `kind` is its condition, or one of `KINDS`; `also` is no mistake on it."""
    condition, expected = KINDS.get(kind, (kind, ()))
    allowed = ("CRV011", "CRV012", *also)
    return Trial(f"calm_{name}", condition, cause, curves, layout, expected, allowed)


def runs() -> list[Trial]:
    """All of them."""
    plain_names = {"train_loss": "train_loss", "val_loss": "val_loss"}
    return [
        well("ratings", "stars by users and things",
             Fit(tables.ratings, rates.adam(4e-3, 1e-4), 25, 128),
             partial(lay.printed, epoch="Epoch {e:>2} | RMSE train {train_rmse:.4f} | RMSE valid "
                     "{val_rmse:.4f} | {sec:.2f}s"), also=("CRV004",)),
        well("communities", "a graph, all nodes a step, dropout",
             Fit(tables.communities, rates.adam(0.01, 8e-3), 120, 500),
             partial(lay.printed, epoch="Epoch: {e:04d} loss_train: {train_loss:.4f} acc_train: "
                     "{train_accuracy:.4f} loss_val: {val_loss:.4f} acc_val: {val_accuracy:.4f} "
                     "time: 0.0041s"), also=("CRV004",)),
        well("density", "a likelihood that goes below zero",
             Fit(tables.density, rates.adam(3e-3), 40, 64, rates.cosine()),
             partial(lay.epochs_csv, names={"train_loss": "train_nll", "val_loss": "val_nll"})),
        well("density_free", "a likelihood below zero from the first epoch on",
             Fit(partial(tables.density, 32, 0.02), rates.adamw(2e-3), 30, 64),
             partial(lay.lightning, names={"train_loss": "train_nll_epoch", "val_loss": "val_nll"},
                     steps={"train_loss": "train_nll_step"})),
        well("diffused", "what noise was added: a loss that falls early and then hardly",
             Fit(tables.diffused, rates.adam(2e-3), 40, 64, average=0.99),
             partial(lay.wandb, names={"train_loss": "train_loss", "val_loss": "val_loss"})),
        well("diffused_steps", "the same, each step for itself",
             Fit(partial(tables.diffused, 32), rates.adamw(1e-3), 14, 16),
             partial(lay.steps_csv, names={"train_loss": "train/loss", "lr": "lr"}, most=300)),
        well("survival", "Cox's likelihood, which begins at the log of the batch",
             Fit(tables.survival, rates.adam(1e-3), 30, 64),
             partial(lay.lines, names={**plain_names, "val_c_index": "val_c_index"})),
        well("survival_wide", "many traits, few rows: the ranks still improve while the loss rises",
             Fit(partial(tables.survival, 64, 60, 200), rates.adam(2e-3), 40, 64),
             partial(lay.lines, names={"train_loss": "tr_loss", "val_loss": "va_loss",
                                       "val_c_index": "va_cindex"}),
             "miscalibration", ("CRV001", "CRV004")),
        well("pendulum", "losses near a millionth",
             Fit(tables.pendulum, rates.adam(2e-3), 30, 32, rates.cosine()),
             partial(lay.epochs_csv, names={**plain_names, "lr": "lr"})),
        well("fraud", "two of a hundred are positive",
             Fit(partial(tables.fraud, 16, drop=0.2), rates.adam(8e-4, 1e-4), 18, 64),
             partial(lay.history, names={"train_loss": "loss", "val_loss": "val_loss",
                                         "val_auc": "val_auc"})),
        well("fraud_focal", "the focal loss on few positives",
             Fit(partial(tables.fraud, 4, 0.06, focal=2.0), rates.sgd(0.2, 0.9, 2e-3), 16, 64,
                 rates.cosine()),
             partial(lay.events, names={"train_loss": "Train/FocalLoss", "val_loss":
                                        "Valid/FocalLoss", "val_auc": "Valid/AUROC"})),
        well("clicks", "clicks, which are mostly chance",
             Fit(partial(tables.clicks, 2), rates.adam(1e-3, 3e-4), 12, 64),
             partial(lay.epochs_csv, names={"train_loss": "train_logloss", "val_loss":
                                            "valid_logloss", "val_auc": "valid_auc"}),
             "weak signal"),
        well("houses", "prices",
             Fit(tables.houses, rates.adamw(2e-3), 30, 64, rates.warmed(0.2)),
             partial(lay.epochs_csv, separator=";", names={
                 **plain_names, "val_rmse": "val_rmse", "val_r2": "val_r2"})),
        well("houses_restarts", "warm restarts",
             Fit(partial(tables.houses, 40, noise=0.1, heavy=0.0), rates.sgd(0.1, 0.9), 40, 64,
                 rates.restarts(4)),
             partial(lay.wandb, ending="csv", names={"train_loss": "loss/train",
                     "val_loss": "loss/val", "lr": "lr"})),
        well("houses_few", "thirty rows validate",
             Fit(partial(tables.houses, 24, test=30), rates.adam(2e-3, 1e-4), 28, 32),
             partial(lay.epochs_csv, names={"train_loss": "train_mse", "val_loss": "val_mse"})),
        well("houses_dropout", "dropout in a regression",
             Fit(partial(tables.houses, 64, drop=0.3, noise=0.1), rates.adam(3e-3), 25, 32),
             partial(lay.printed, epoch="Epoch {e:>3}: train loss: {train_loss:.5f}  validation "
                     "loss: {val_loss:.5f}", ending="txt"), "below"),
        well("houses_cut", "cut short",
             Fit(partial(tables.houses, 32), rates.sgd(0.02), 15, 32),
             partial(lay.lightning, names={"train_loss": "train_loss_epoch", "val_loss": "val_loss",
                     "val_r2": "val_r2"}, steps={"train_loss": "train_loss_step"}), "cut"),
        well("decided", "a tree's answers",
             Fit(partial(tables.decided, 64, drop=0.15), rates.adamw(2e-3), 25, 32, rates.cosine()),
             partial(lay.results, names={"train_loss": "train/loss", "val_accuracy":
                     "metrics/accuracy_top1", "val_loss": "val/loss", "lr": "lr/pg0"})),
        well("decided_wrong", "three of ten labels drawn anew",
             Fit(partial(tables.decided, 24, wrong=0.3), rates.asgd(0.15), 20, 32),
             partial(lay.printed, epoch="INFO:root:epoch={e} train-loss={train_loss:.5f} "
                     "train-acc={train_accuracy:.4f} val-loss={val_loss:.5f} "
                     "val-acc={val_accuracy:.4f}"), "weak signal"),
        well("decided_cut", "cut short",
             Fit(partial(tables.decided, 48, act=nn.Tanh), rates.adam(1.5e-4), 14, 32),
             partial(lay.history, names={"train_loss": "train_loss", "val_loss": "val_loss",
                     "train_accuracy": "train_acc", "val_accuracy": "val_acc"}), "cut"),
        well("decided_tail", "a long flat tail",
             Fit(partial(tables.decided, 16), rates.sgd(0.05, 0.9, 4e-3), 120, 64,
                 rates.cosine(0.6)),
             partial(lay.epochs_csv, names={**plain_names, "val_accuracy": "val_accuracy"},
                     epoch="Epoch")),
        well("deep_lines", "one direction after the other: stairs",
             Fit(partial(tables.deep_lines, 3, 0.25), rates.sgd(0.006), 60, 50),
             partial(lay.epochs_csv, names=plain_names, first=0), "slow start"),
        well("mixtures", "a likelihood with its spread",
             Fit(tables.mixtures, rates.adam(2e-3), 40, 64),
             partial(lay.printed, epoch="epoch: {e}, train_nll: {train_loss:.4f}, val_nll: "
                     "{val_loss:.4f}, lr: {lr:.5f}")),
        well("tuned_prices", "prices of another town, known before",
             Fit(pretrained(partial(tables.houses, 32, noise=0.4), 800, 3e-3), rates.adamw(3e-4),
                 12, 32),
             partial(lay.trainer_state, names={"val_loss": "eval_loss", "val_rmse": "eval_rmse"})),
        well("boosted", "boosted trees, slow and shallow",
             plain.boosted(1, 0.05, 120, share=0.7),
             partial(lay.printed, epoch="[{e}]\ttrain-logloss:{train_loss:.5f}\teval-logloss:"
                     "{val_loss:.5f}", first=0)),
        well("boosted_values", "boosted trees on values",
             plain.boosted_values(2, 0.05, 70, 600),
             partial(lay.printed, epoch="[{e}]\ttraining's rmse: {train_rmse:.6f}\tvalid_0's rmse: "
                     "{val_rmse:.6f}")),
        well("boosted_auc", "boosted trees, their area under the curve",
             plain.boosted(1, 0.06, 90, share=0.6, leaf=8),
             partial(lay.printed, epoch="{e}:\tlearn: {train_loss:.7f}\ttest: {val_loss:.7f}\t"
                     "best: {val_best:.7f}\ttotal: 12.1ms\tremaining: 88ms", first=0)),
        well("partial_linear", "scikit-learn's linear classifier, part by part",
             plain.partial("linear", 3e-3, 30),
             partial(lay.epochs_csv, names={"train_loss": "log_loss", "val_loss": "val_log_loss",
                     "train_accuracy": "score", "val_accuracy": "val_score"})),
        well("partial_slow", "scikit-learn's linear classifier at a low rate, cut short",
             plain.partial("linear", 2e-5, 20),
             partial(lay.lines, names={**plain_names, "train_accuracy": "train_acc",
                                       "val_accuracy": "val_acc"}), "cut", ("CRV002", "CRV010")),
        well("partial_net", "scikit-learn's perceptron, part by part",
             plain.partial("net", 1e-3, 25, 0.05),
             partial(lay.printed, epoch="Iteration {e}, loss = {train_loss:.8f}\nValidation score: "
                     "{val_accuracy:.6f}")),
        well("by_hand", "two layers in numpy", plain.by_hand(0.5, 120, batch=100),
             partial(lay.epochs_csv, epoch="iteration", names={
                 "train_loss": "cost", "val_loss": "test_cost", "val_accuracy": "test_accuracy"})),
        well("lorenz_drop", "chaotic weather, a plain recurrent network, the rate drops",
             Fit(partial(text.lorenz, 20, nn.RNN), rates.sgd(0.05, 0.9), 30, 32, rates.drops(0.6),
                 clip=1.0),
             partial(lay.lines, nested=True, names={"train_loss": "train/loss", "train_rmse":
                     "train/rmse", "val_loss": "valid/loss", "val_rmse": "valid/rmse"})),
    ]  # fmt: skip
