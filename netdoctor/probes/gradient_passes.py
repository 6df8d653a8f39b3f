"""Runs zero, forward, loss, backward and read, batch by batch; loss scaling is taken out."""

from __future__ import annotations

import dataclasses
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from netdoctor.errors import DataError, ModelError
from netdoctor.facts.site import Site
from netdoctor.inputs.batches import Batch
from netdoctor.inputs.objective import Objective
from netdoctor.inputs.user_code import guarded
from netdoctor.observe import Call
from netdoctor.probes.gradient_statistics import CallStatistics, ParameterStatistics
from netdoctor.probes.initial_loss import expected_loss

_FIRST_SCALE = 2.0**16
AMP = {"float16": torch.float16, "bfloat16": torch.bfloat16}


@dataclasses.dataclass(frozen=True, slots=True)
class Options:
    """How to run the passes.

    Attributes:
        update_norms: lets norm layers update their statistics from batch to batch.
        optimizer: `sgd`, `adam` or `adamw`, whose first step is compared with the weights.
        rate: its learning rate; None to leave that out.
        amp: `float16`, `bfloat16`, or empty for the model's own precision.
        calls: whether to measure the gradients of activation calls too.
    """

    update_norms: bool = False
    optimizer: str = "sgd"
    rate: float | None = None
    amp: str = ""
    calls: bool = True


@dataclasses.dataclass(frozen=True, slots=True)
class SeenCall:
    """An activation call as it was first seen; `trainable` if a gradient can come to it."""

    site: Site
    kind: str
    shape: tuple[int, ...]
    trainable: bool


class Passes:
    """Forward and backward passes of one model, and the statistics of their gradients."""

    def __init__(self, model: nn.Module, objective: Objective, options: Options) -> None:
        self.model = model
        self.objective = objective
        self.options = options
        self.parameters = list(model.parameters())
        half = bool(options.amp)
        self.statistics = ParameterStatistics(
            self.parameters, options.optimizer, options.rate, half=half
        )
        self.call_statistics = CallStatistics()
        self.calls: dict[str, SeenCall] = {}
        self.losses: list[float] = []
        self.expected: tuple[float | None, str] = (None, "")
        self.suspect: Batch | None = None  # the first with a gradient that is not finite, else 1st
        self.samples = 0
        self.scale = _FIRST_SCALE if options.amp == "float16" else 1.0
        self.overflows = 0

    def on_call(self, call: Call) -> None:
        """Notes an activation call when it first happens."""
        name = str(call.site)
        if name not in self.calls:
            output = call.output
            trainable = output.requires_grad or not torch.is_grad_enabled()
            self.calls[name] = SeenCall(call.site, call.name, tuple(output.shape), trainable)

    def on_gradient(self, site: Site, gradient: Tensor) -> None:
        """Takes the gradient of an activation call's output."""
        with torch._C.DisableTorchFunction():
            self.call_statistics.note(str(site), gradient)

    def step(self, batch: Batch) -> None:
        """One batch: zero, forward, loss, backward, read.

        Raises:
            NetDoctorError: the model or the loss raised.
        """
        clean = self.statistics.all_finite
        self._zero()
        loss = self._run(batch)
        while self.scale > 1 and not self._finite():
            self.scale /= 2
            self.overflows += 1
            self.call_statistics.drop()
            self._zero()
            loss = self._run(batch)
        with torch._C.DisableTorchFunction():
            self._unscale()
            self.statistics.update()
            self.call_statistics.update(self.scale)
        if self.suspect is None or (clean and not self.statistics.all_finite):
            self.suspect = batch
        self.losses.append(float(loss.detach()))
        self.samples += batch.size
        self._zero()

    def _run(self, batch: Batch) -> Tensor:
        with autocast(self.options.amp, self.parameters):
            output = self._called(batch)
            loss = self.objective(output, batch)
        if self.expected[1] == "" and not self.losses:
            self.expected = expected_loss(self.objective, output, batch)
        if loss.requires_grad:
            backward(loss * self.scale if self.scale != 1 else loss)
        return loss

    def _called(self, batch: Batch) -> object:
        try:
            return batch.call(self.model)
        except ModelError as error:
            if batch.size == 1 and "more than 1 value per channel" in error.message:
                raise DataError(
                    "a batch holds one sample, and batch norm cannot train on one",
                    hint="give --batch-size 2 or more, or a loader with drop_last=True",
                ) from error
            raise

    def _zero(self) -> None:
        for parameter in self.parameters:
            parameter.grad = None

    def _finite(self) -> bool:
        """Whether no gradient overflowed, as the scaler asks before each step."""
        gradients = [each.grad for each in self.parameters if each.grad is not None]
        return not gradients or bool(
            torch.stack([each.sum().isfinite() for each in gradients]).all()
        )

    def _unscale(self) -> None:
        if self.scale != 1:
            for parameter in self.parameters:
                if parameter.grad is not None:
                    parameter.grad.div_(self.scale)


def backward(loss: Tensor) -> None:
    """The backward pass.

    Raises:
        ModelError: it raised, as after an in-place change of what it needs.
    """
    with guarded("The backward pass", ModelError, hint=lambda _: _ADVICE):
        loss.backward()  # type: ignore[no-untyped-call]


_ADVICE = (
    "Look for an operation that changes a tensor in place after it was used, or a function without "
    "a derivative; --traceback shows where it raised."
)


def autocast(amp: str, parameters: list[nn.Parameter]) -> AbstractContextManager[Any]:
    """Mixed precision on the model's device; nothing where `amp` is empty."""
    if not amp:
        return nullcontext()
    device = parameters[0].device.type if parameters else "cpu"
    return torch.autocast(device, AMP[amp])
