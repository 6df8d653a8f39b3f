"""The sick runs of the third held-out set that blow up or swing. Nobody tunes on these."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from tests.curves import unseen_layouts as lay
from tests.curves import unseen_pictures as pictures
from tests.curves import unseen_plain as plain
from tests.curves import unseen_rates as rates
from tests.curves import unseen_tables as tables
from tests.curves import unseen_text as text
from tests.curves.studies import Task
from tests.curves.unseen_loop import Fit, Layout, Rows, Trial, pretrained, rate, struck
from tests.curves.unseen_sick import ACC, KERAS, LOSSES


def _with_loss(make: Callable[[], Task], loss: Callable[[Tensor, Tensor], Tensor]) -> Task:
    made = make()
    return Task(made.network, made.x, made.y, made.test_x, made.test_y, loss, made.metrics)


def _half(output: Tensor, y: Tensor) -> Tensor:
    powers = (output * 8).half().exp()
    return -(powers.gather(1, y[:, None]) / powers.sum(1, keepdim=True)).float().log().mean()


def _log_of_zero(output: Tensor, y: Tensor) -> Tensor:
    said = output.sigmoid()
    return -(y * said.log() + (1 - y) * (1 - said).log()).mean()


class _Normed(nn.Module):
    """Divides by the length of what the ReLU left, which may be nothing."""

    def __init__(self, net: nn.Sequential) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.net[:-1](x)
        return self.net[-1](hidden / hidden.square().sum(1, keepdim=True).sqrt())


def _normed() -> Task:
    made = tables.decided(8, act=nn.ReLU)
    return Task(_Normed(made.network), made.x, made.y, made.test_x, made.test_y, made.loss,
                made.metrics)  # fmt: skip


def _nan() -> list[Trial]:
    def nan(name: str, cause: str, curves: Callable[[], Rows], layout: Layout) -> Trial:
        return Trial(f"hurt_{name}", "NaN loss", cause, curves, layout, ("CRV005",),
                     ("CRV001", "CRV003", "CRV004", "CRV006", "CRV008", "CRV009"))  # fmt: skip

    def missing(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        y = y.clone()
        y[0] = torch.nan
        return x, y

    def broken_test() -> Task:
        made = tables.ratings()
        made.test_y[7] = torch.nan
        return made

    return [
        nan("moved_half", "the softmax by hand overflows in half precision",
            Fit(lambda: _with_loss(partial(pictures.moved_digits, 8), _half), rates.adam(2e-3), 14,
                32),
            partial(lay.history, names=KERAS)),
        nan("fraud_log", "the logarithm of nothing",
            Fit(lambda: _with_loss(partial(tables.fraud, 24, 0.1, 3.0), _log_of_zero),
                rates.adam(0.01), 30, 64),
            partial(lay.epochs_csv, names=LOSSES | {"val_auc": "val_auc"})),
        nan("decided_normed", "a division by the length of nothing",
            Fit(_normed, rates.adam(8e-3), 25, 16),
            partial(lay.lightning, names=ACC, steps={"train_loss": "train_loss_step"})),
        nan("lorenz_missing", "one target was missing",
            Fit(text.lorenz, rates.adam(2e-3), 16, 32,
                spoil=struck((0.4,), 0.002, lambda s, x, y, o: missing(x, y))),
            partial(lay.wandb, names={"val_loss": "val/loss", "val_rmse": "val/rmse"},
                    steps={"train_loss": "train/loss"})),
        nan("ratings_missing", "one validation target is missing",
            Fit(broken_test, rates.adam(4e-3), 14, 128),
            partial(lay.printed, epoch="epoch {e} train_loss {train_loss:.4f} val_loss "
                    "{val_loss:.4f}")),
        nan("by_hand_log", "the logarithm of nothing, in numpy",
            plain.by_hand(6.0, 120, 48, 50, safe=False, gain=2.0),
            partial(lay.lines, names={"train_loss": "cost", "val_loss": "val_cost"})),
        nan("least_squares_far", "gradient descent past the largest number",
            plain.least_squares(1.6, 220),
            partial(lay.epochs_csv, names=LOSSES)),
    ]  # fmt: skip


def _ascending(share: float, network: nn.Module) -> None:
    for parameter in network.parameters():
        if parameter.grad is not None:
            parameter.grad.neg_()


def _divergence() -> list[Trial]:
    def away(name: str, cause: str, curves: Callable[[], Rows], layout: Layout,
             expected: tuple[str, ...] = ("CRV006",)) -> Trial:  # fmt: skip
        return Trial(f"hurt_{name}", "divergence", cause, curves, layout, expected,
                     ("CRV001", "CRV003", "CRV005", "CRV008", "CRV009", "CRV010"))  # fmt: skip

    return [
        away("least_squares", "gradient descent above the edge", plain.least_squares(0.41, 40),
             partial(lay.epochs_csv, epoch="iter", names={"train_loss": "train_mse",
                                                          "val_loss": "test_mse"})),
        away("houses_momentum", "a momentum of 0.99 at a high rate",
             Fit(partial(tables.houses, 48), rates.sgd(0.2, 0.99), 20, 32, clip=5.0),
             partial(lay.events, names=LOSSES), ("CRV006", "CRV003", "CRV010")),
        away("prose_overwarmed", "a warm-up to a rate far too high",
             Fit(text.prose, rates.adam(0.4), 12, 32, rates.warmed(1.0), clip=1.0),
             partial(lay.trainer_state, names={"val_loss": "eval_loss"})),
        away("sources_tuned_ascent", "a trained network, the sign of the step is wrong",
             Fit(pretrained(text.sources, 400, 3e-3), rates.sgd(2e-3), 8, 32,
                 gradients=_ascending),
             partial(lay.lines, names={"val_loss": "eval/loss", "val_accuracy": "eval/acc"},
                     steps={"train_loss": "train/loss"}), ("CRV006", "CRV005")),
        away("placed_rising", "a rate that grows late",
             Fit(partial(pictures.placed, 8, momentum=None), rates.rmsprop(1e-3), 24, 32,
                 rates.rising(0.6, 3e3)),
             partial(lay.lightning, names=ACC)),
        away("ratings_uncleared", "gradients never cleared",
             Fit(tables.ratings, rates.sgd(0.3), 20, 128, clear=False),
             partial(lay.printed, epoch="Epoch {e:>2} | RMSE train {train_rmse:.4f} | RMSE valid "
                     "{val_rmse:.4f}"), ("CRV006", "CRV005")),
        away("density_steps", "a rate that grows, each step for itself",
             Fit(partial(tables.density, 24, 0.3), rates.adam(2e-3), 20, 32,
                 rates.rising(0.4, 800)),
             partial(lay.steps_csv, names={"train_loss": "nll", "lr": "lr"}, most=300)),
    ]  # fmt: skip


def _unstable() -> list[Trial]:
    def rough(name: str, cause: str, curves: Callable[[], Rows], layout: Layout,
              expected: tuple[str, ...] = ("CRV003",)) -> Trial:  # fmt: skip
        return Trial(f"hurt_{name}", "unstable training", cause, curves, layout, expected,
                     ("CRV001", "CRV002", "CRV004", "CRV006", "CRV007", "CRV008",
                      "CRV009", "CRV010"))  # fmt: skip

    return [
        rough("recall_unclipped", "a plain recurrent network, no clipping",
              Fit(partial(text.recall, 48, 8, 1.6), rates.sgd(0.4, 0.9), 25, 32),
              partial(lay.lines, names={}, steps={"train_loss": "loss", "grad_norm": "grad_norm"},
                      most=300), ("CRV003", "CRV006", "CRV009")),
        rough("decided_pairs", "two rows a step at a high rate",
              Fit(partial(tables.decided, 48, 700), rates.sgd(0.02, 0.9), 30, 2, clip=5.0),
              partial(lay.epochs_csv, names=ACC), ("CRV003", "CRV008")),
        rough("moved_edge", "a rate at the edge",
              Fit(partial(pictures.moved_digits, 10), rates.sgd(0.35, 0.9), 35, 32, clip=10.0),
              partial(lay.history, names=KERAS)),
        rough("placed_adam", "a rate at the edge for Adam, the second moment forgets soon",
              Fit(partial(pictures.placed, 10, momentum=None), rates.adam(0.03, betas=(0.9, 0.6)),
                  30, 32),
              partial(lay.wandb, names={"train_loss": "train_loss", "train_accuracy": "train_acc",
                                        "val_loss": "val_loss", "val_accuracy": "val_acc"}),
              ("CRV006", "CRV003", "CRV009", "CRV010")),
        rough("by_hand_edge", "full steps at the edge, in numpy",
              plain.by_hand(14.0, 150, 32, gain=1.5),
              partial(lay.epochs_csv, epoch="iteration", names={
                  "train_loss": "loss", "val_loss": "val_loss", "val_accuracy": "val_accuracy"})),
        rough("boxes_rough", "a rate at the edge, each step for itself",
              Fit(pictures.boxes, rates.rmsprop(0.03, momentum=0.9), 14, 16),
              partial(lay.printed, most=250, step="[{e}/{of}][{at}/{inside}] loss: "
                      "{train_loss:.4f} grad_norm: {grad_norm:.3f}"),
              ("CRV006", "CRV003", "CRV009", "CRV010")),
    ]  # fmt: skip


def _oscillating() -> list[Trial]:
    def swing(name: str, cause: str, curves: Callable[[], Rows], layout: Layout,
              expected: tuple[str, ...] = ("CRV008",)) -> Trial:  # fmt: skip
        return Trial(f"hurt_{name}", "oscillating validation", cause, curves, layout, expected,
                     ("CRV001", "CRV003", "CRV004", "CRV009"))  # fmt: skip

    last = "running statistics of the last small batch alone"
    return [
        swing("decided_statistics", last,
              Fit(partial(tables.decided, 48, 800, momentum=1.0), rates.adam(1e-3), 30, 5),
              partial(lay.printed, epoch="Epoch {e:>3}: train_loss={train_loss:.4f}, train_acc="
                      "{train_accuracy:.4f}, val_loss={val_loss:.4f}, val_acc="
                      "{val_accuracy:.4f}")),
        swing("placed_high", "batch normalisation before a high rate",
              Fit(partial(pictures.placed, 24, 800), rates.adam(0.05), 30, 16),
              partial(lay.epochs_csv, names=KERAS | {"lr": "lr"}, first=0), ("CRV008", "CRV003")),
        swing("photographs_few", "twelve rows validate, a high rate",
              Fit(partial(pictures.photographs, 16, test=12), rates.sgd(0.12, 0.9), 35, 24),
              partial(lay.lightning, names=LOSSES | {"val_accuracy": "val_acc"}),
              ("CRV008", "CRV003")),
        swing("houses_drawn", "eight rows drawn anew validate, some prices far out",
              Fit(partial(tables.houses, 32, heavy=0.05), rates.adam(2e-3), 40, 32, validate=8),
              partial(lay.epochs_csv, names=LOSSES | {"val_rmse": "val_rmse"})),
    ]  # fmt: skip


def _noise(share: float, x: Tensor, y: Tensor, o: Optimizer) -> tuple[Tensor, Tensor]:
    return torch.randint_like(x, 46), torch.randint_like(y, 46)


def _bytes(share: float, x: Tensor, y: Tensor, o: Optimizer) -> tuple[Tensor, Tensor]:
    return x * 255, y


def _next(share: float, x: Tensor, y: Tensor, o: Optimizer) -> tuple[Tensor, Tensor]:
    return x, (y + 1) % 4


def _cents(share: float, x: Tensor, y: Tensor, o: Optimizer) -> tuple[Tensor, Tensor]:
    return x, y * 30


def _spikes() -> list[Trial]:
    def spike(name: str, cause: str, curves: Callable[[], Rows], layout: Layout,
              expected: tuple[str, ...] = ("CRV009",)) -> Trial:  # fmt: skip
        return Trial(f"hurt_{name}", "loss spikes", cause, curves, layout, expected,
                     ("CRV003", "CRV008"))  # fmt: skip

    def high(base: float, peak: float, when: float, length: float) -> Callable[..., object]:
        return rate(lambda share: peak if when <= share < when + length else base)

    return [
        spike("prose_shard", "a corrupted shard of the data",
              Fit(partial(text.prose, "gru", 40), rates.adam(3e-3), 14, 32,
                  spoil=struck((0.55,), 0.02, _noise)),
              partial(lay.printed, most=300, step="step {n} | loss {train_loss:.4f} | lr {lr:.2e}",
                      ending="txt")),
        spike("moved_bytes", "a batch of bytes that was not scaled",
              Fit(partial(pictures.moved_digits, 8), rates.adam(1e-3), 26, 32,
                  spoil=struck((0.55,), 0.001, _bytes)),
              partial(lay.history, names=KERAS)),
        spike("glanced_rate", "a rate two hundred times too high for two steps",
              Fit(pictures.glanced, rates.adam(1e-3), 26, 32,
                  spoil=high(1e-3, 0.2, 0.6, 0.003)),
              partial(lay.epochs_csv, names=ACC), ("CRV009", "CRV006")),
        spike("houses_cents", "a batch of prices in another unit",
              Fit(partial(tables.houses, 32, noise=0.1), rates.adam(1e-3), 30, 32,
                  spoil=struck((0.6,), 0.0008, _cents)),
              partial(lay.lightning, names=LOSSES, steps={"train_loss": "train_loss_step"},
                      most=200)),
        spike("placed_labels", "a shard whose labels are off by one",
              Fit(partial(pictures.placed, 10), rates.sgd(0.03, 0.9), 24, 32,
                  spoil=struck((0.65,), 0.03, _next)),
              partial(lay.wandb, ending="jsonl", names={}, steps={"train_loss": "train/loss"},
                      most=300)),
        spike("denoised_bytes", "two batches of bytes that were not scaled",
              Fit(partial(pictures.denoised, 8), rates.adam(2e-3), 24, 32,
                  spoil=struck((0.4, 0.75), 0.0011, _bytes)),
              partial(lay.events, names={"train_loss": "loss/train", "val_loss": "loss/val"}),
              ("CRV009", "CRV006")),
    ]  # fmt: skip


def runs() -> list[Trial]:
    """All of them."""
    return [*_nan(), *_divergence(), *_unstable(), *_oscillating(), *_spikes()]
