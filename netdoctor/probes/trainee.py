"""A network in training on one fixed batch, without anything random and without dropout."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from netdoctor.errors import ModelError
from netdoctor.facts.overfit import GradientState
from netdoctor.inputs.batches import Batch
from netdoctor.inputs.objective import Objective
from netdoctor.inputs.user_code import guarded
from netdoctor.probes.loss_floor import FLOORS, LossCall, loss_call
from netdoctor.probes.masks import WithoutMasks

_RANDOM_MODULES = ("Dropout", "StochasticDepth", "DropPath", "DropBlock", "RReLU")
_NORMS = (nn.modules.batchnorm._NormBase,)


class Trainee:
    """A network, the batch it is to learn, and its loss.

    Attributes:
        parameters: the trainable ones by name.
        output: what the network returned last, None before the first call.
        call: the call of a loss whose floor can be known and that gave the last loss, or None.
        norms: whose statistics norm layers use: of the batch, or the stored ones.
    """

    def __init__(self, model: nn.Module, batch: Batch, objective: Objective, seed: int) -> None:
        """Puts the network, which is a copy or put back later, into training mode."""
        self.model, self.batch, self.objective = model, batch, objective
        self.parameters = [
            (name, each) for name, each in model.named_parameters() if each.requires_grad
        ]
        self.output: Any = None
        self.call: LossCall | None = None
        self.norms: Literal["batch", "stored"] = "batch"
        self._seed = seed
        self._saved: list[tuple[Tensor, Tensor]] = []
        _prepare(model)

    def loss(self) -> Tensor:
        """The loss of the batch: the same for the same weights, however often it is called.

        Raises:
            ModelError: the model raised.
            DataError: there is no target, or it does not fit the output.
        """
        torch.manual_seed(self._seed)
        batch = self.batch.to(self._device(), copy=True)
        with WithoutMasks(), CaptureLoss() as capture:
            self.output = batch.call(self.model)
            loss = self.objective(self.output, batch)
        self.call = capture.call if _same(capture.value, loss) else None
        return loss

    def first_loss(self) -> Tensor:
        """The loss, with stored norm statistics where the batch is too small to have its own."""
        try:
            return self.loss()
        except ModelError as error:
            if "more than 1 value per channel" not in str(error):
                raise
        for module in self.model.modules():
            if isinstance(module, _NORMS):
                module.eval()
        self.norms = "stored"
        return self.loss()

    def remember(self) -> None:
        """Takes the present weights and buffers as those to return to."""
        tensors = chain(self.model.parameters(), self.model.buffers())
        self._saved = [(each, each.detach().clone()) for each in tensors]

    @torch.no_grad()
    def restart(self) -> None:
        """Returns to the weights and buffers that were remembered."""
        for tensor, value in self._saved:
            tensor.copy_(value)
        for _, parameter in self.parameters:
            parameter.grad = None

    def backward(self, loss: Tensor) -> None:
        """Fresh gradients of that loss; none where it does not depend on the parameters."""
        for _, parameter in self.parameters:
            parameter.grad = None
        if loss.requires_grad:
            with guarded("The backward pass", ModelError):
                loss.backward()  # type: ignore[no-untyped-call]
        for _, parameter in self.parameters:
            if parameter.grad is not None and parameter.grad.is_sparse:  # Adam takes dense ones
                parameter.grad = parameter.grad.to_dense()

    def gradient_states(self) -> list[GradientState]:
        """What kind of gradient each trainable parameter has, in order."""
        return [_state(parameter.grad) for _, parameter in self.parameters]

    def _device(self) -> torch.device:
        first = next(self.model.parameters(), None)
        return first.device if first is not None else torch.device("cpu")


class CaptureLoss(TorchFunctionMode):
    """Keeps the last call of a loss whose floor can be known, and its value."""

    def __init__(self) -> None:
        super().__init__()
        self.call: LossCall | None = None
        self.value: Any = None

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        value = func(*args, **(kwargs or {}))
        if getattr(func, "__name__", "") in FLOORS:
            self.call, self.value = loss_call(func, args, kwargs or {}), value
        return value


def _prepare(model: nn.Module) -> None:
    """Training mode, but for what draws random numbers."""
    model.train()
    for module in model.modules():
        if type(module).__name__.startswith(_RANDOM_MODULES) or isinstance(
            module, nn.modules.dropout._DropoutNd
        ):
            module.eval()
        elif isinstance(module, (nn.RNNBase, nn.MultiheadAttention)):
            module.dropout = 0.0


def _same(value: Any, loss: Tensor) -> bool:
    """Whether a loss function's value is the loss itself."""
    if not isinstance(value, Tensor) or value.numel() != 1:
        return False
    return bool(torch.equal(value.detach().reshape(()).to(loss.dtype), loss.detach().reshape(())))


def _state(gradient: Tensor | None) -> GradientState:
    if gradient is None:
        return "missing"
    if not bool(torch.isfinite(gradient).all()):
        return "non-finite"
    return "value" if bool(gradient.any()) else "zero"
