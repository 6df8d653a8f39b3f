"""The scalar that training minimises: the model's own loss, the one asked for, or a fitting one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from netdoctor.errors import DataError
from netdoctor.facts.target import TargetFacts
from netdoctor.inputs.batches import Batch
from netdoctor.inputs.losses import Loss, choose_loss, class_axis
from netdoctor.inputs.outputs import main_output, own_loss

_IGNORED = -100  # what cross-entropy leaves out unless told otherwise


class Objective:
    """Loss of a model's output on a batch; which loss it is, is settled at the first batch.

    Attributes:
        name: `own` (the model returns it), `cross-entropy`, `bce`, `mse`, or the user's spec; empty
            before the first batch.
        chosen: whether netdoctor chose it, so that training may use another one.
        note: a sentence for the report that says which loss, and why.
        functions: names of the torch functions that the loss called at the first batch: what a
            loss of the user's own is made of (`cross_entropy`, `binary_cross_entropy`, ...).
        random_targets: whether the targets are random, for want of any.
    """

    def __init__(self, wanted: str | None = None, *, seed: int | None = None) -> None:
        """Takes the name of a loss as `--loss` has it, and a seed to make up targets.

        Args:
            wanted: None to choose from target and output.
            seed: of random targets of the output's shape, for batches that have none; None to
                raise DataError for those.
        """
        self.wanted = wanted
        self.name = ""
        self.chosen = wanted is None
        self.note = ""
        self.functions: frozenset[str] = frozenset()
        self.random_targets = False
        self._seed = seed
        self._loss: Loss | None = None

    def __call__(self, output: Any, batch: Batch) -> Tensor:
        """The scalar loss, with its graph where the output has one.

        Raises:
            DataError: there is no target, or it does not fit the output.
            ModelError: the output has no main tensor.
            UsageError: there is no loss of that name, or the user's own raised.
        """
        loss = own_loss(output) if self.wanted is None else None
        if loss is not None:
            self.name, self.chosen = "own", False
            self.note = "loss: the model's own"
            return loss.mean()
        main, _ = main_output(output)
        target = batch.target
        if target is None and self._seed is not None:
            target = self._made_up(main)
        if self._loss is None:
            try:
                self._loss, self.note = choose_loss(self.wanted, main, target)
            except DataError as error:
                if isinstance(target, Tensor):
                    raise self._refused(error, main, target) from error
                raise
            self.name = self.wanted or self.note.split(",")[0].removeprefix("loss: ")
            if self.random_targets:
                self.note += "; the targets are seeded random numbers, for the batches have none"
            names = _Names()
            with names:
                value = self._computed(main, target)
            self.functions = frozenset(names.seen)
            return value
        return self._computed(main, target)

    def _computed(self, main: Tensor, target: Any) -> Tensor:
        assert self._loss is not None
        try:
            return self._loss(main, target)
        except torch.OutOfMemoryError:
            raise
        except (DataError, IndexError, RuntimeError, ValueError, TypeError) as error:
            raise self._refused(error, main, target) from error

    def _refused(self, error: Exception, main: Tensor, target: Any) -> TargetError:
        said = error.message if isinstance(error, DataError) else str(error)
        facts = _target_facts(self.name, main, target, said)
        shapes = f"output {_brief(main)}, target {_brief(target)}"
        return TargetError(f"The loss {self.name} refuses the target: {said} ({shapes})", facts)

    def _made_up(self, main: Tensor) -> Tensor:
        """Normal numbers of the output's shape, the same ones for each batch of that shape."""
        self.random_targets = True
        generator = torch.Generator().manual_seed(self._seed or 0)
        return torch.randn(main.shape, generator=generator).to(main)


class TargetError(DataError):
    """A target that the loss refuses, with what a rule can say about it."""

    def __init__(self, message: str, facts: TargetFacts) -> None:
        super().__init__(
            message,
            hint="Check the targets' type and range against the last layer's width, or name the "
            "loss that is meant with --loss.",
        )
        self.facts = facts


def _target_facts(loss: str, main: Tensor, target: Any, refusal: str) -> TargetFacts:
    shape: tuple[int, ...] = ()
    dtype, low, high, classes = type(target).__name__, None, None, None
    if isinstance(target, Tensor):
        shape, dtype = tuple(target.shape), str(target.dtype).removeprefix("torch.")
        axis = class_axis(main, target)
        classes = None if axis is None else int(main.shape[axis])
        kept = target[target != _IGNORED]
        if not target.is_floating_point() and target.dtype is not torch.bool and kept.numel():
            low, high = int(kept.min()), int(kept.max())
    return TargetFacts(loss, tuple(main.shape), shape, dtype, classes, low, high, refusal)


class _Names(TorchFunctionMode):
    """Notes the names of the functions that run."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        self.seen.add(getattr(func, "__name__", ""))
        return func(*args, **(kwargs or {}))


def _brief(value: Any) -> str:
    if not isinstance(value, Tensor):
        return type(value).__name__
    return f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}"
