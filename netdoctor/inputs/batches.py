"""Batches: what of a loader's batch goes to the model, and what is the target."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from netdoctor.errors import DataError, ModelError
from netdoctor.inputs.user_code import guarded

_CHECK = (
    "Check that the data are what the model takes, in shape and type; --traceback shows where in "
    "the model it was."
)
TARGET_NAMES = ("labels", "label", "target", "targets")


@dataclasses.dataclass(frozen=True, slots=True)
class Batch:
    """What one call of the model takes, and the target beside it.

    Attributes:
        args: positional arguments of the model.
        kwargs: keyword arguments of the model.
        target: what the loss takes beside the output; None when the batch has none.
        size: the number of samples.
    """

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    target: Any
    size: int

    def to(self, device: torch.device | str, *, copy: bool = False) -> Batch:
        """The batch with every tensor in it on that device; `copy` makes new tensors always.

        Raises:
            DataError: a tensor has no values to move.
        """

        def move(tensor: Tensor) -> Tensor:
            if tensor.is_meta:
                raise DataError(
                    f"A batch holds a tensor {tuple(tensor.shape)} without values, on the meta "
                    "device.",
                    hint="Make the batches outside of `with torch.device('meta')`.",
                )
            return tensor.to(device, copy=copy)

        args = tuple(_moved(value, device, move) for value in self.args)
        kwargs = {name: _moved(value, device, move) for name, value in self.kwargs.items()}
        return Batch(args, kwargs, _moved(self.target, device, move), self.size)

    def copied(self) -> Batch:
        """The same values in new tensors, which a model may overwrite."""

        def move(tensor: Tensor) -> Tensor:
            return tensor.clone()

        args = tuple(_moved(value, "", move) for value in self.args)
        kwargs = {name: _moved(value, "", move) for name, value in self.kwargs.items()}
        return Batch(args, kwargs, _moved(self.target, "", move), self.size)

    @property
    def nbytes(self) -> int:
        """Bytes of its tensors; 0 where it holds objects of which that is not known."""
        values = list(_tensors([*self.args, *self.kwargs.values(), self.target]))
        known = all(isinstance(each, (Tensor, np.ndarray)) for each in values)
        return sum(int(each.nbytes) for each in values) if known else 0

    def call(self, model: Callable[..., Any]) -> Any:
        """What the model returns for this batch.

        Raises:
            ModelError: the model raised.
        """
        try:
            return model(*self.args, **self.kwargs)
        except (Exception, SystemExit):  # the message is made only when there is one
            subject = f"The model, called with {self.describe()},"
            with guarded(subject, ModelError, hint=lambda _: self._advice(model)):
                raise
            raise

    def _advice(self, model: Callable[..., Any]) -> str:
        """What to do when the model does not take this batch."""
        signature = _signature(model)
        try:
            if signature is not None:
                signature.bind(*self.args, **self.kwargs)
        except TypeError:
            names = ", ".join(signature.parameters) if signature else ""
            return (
                f"Its forward takes ({names}): a batch is (inputs, target), (inputs, …, target), "
                "or a mapping whose keys are the names of those arguments."
            )
        given = next((each for each in _tensors(self.args) if isinstance(each, Tensor)), None)
        weights = model.parameters() if isinstance(model, nn.Module) else ()
        wanted = next((each.dtype for each in weights if each.is_floating_point()), None)
        if given is not None and wanted not in (None, given.dtype):
            types = f"The data are {_dtype(given.dtype)} and the weights {_dtype(wanted)}"
            return f"{types}: if that is the reason, convert the data where they are made."
        return _CHECK

    def describe(self) -> str:
        """The arguments in short: `float32 (32, 3, 224, 224)`."""
        named = [f"{name}={_brief(value)}" for name, value in self.kwargs.items()]
        return ", ".join([*map(_brief, self.args), *named])


def as_batch(raw: Any, model: nn.Module | None = None, *, images: bool = False) -> Batch:
    """What of a loader's batch goes to the model, and what is the target.

    `(inputs, target)` and `(inputs, …, target)`: the last is the target. A mapping goes to the
    model as keywords; `labels`, `label`, `target` or `targets` in it is the target, and is passed
    on too where the model's `forward` takes it. A lone tensor, or an object with a method `to`,
    is the one input.

    Args:
        raw: the batch as it came.
        model: tells which of a mapping's targets the model itself takes.
        images: a list of tensors is the one input of a model that takes images of several sizes.

    Raises:
        DataError: it is none of these.
    """
    if isinstance(raw, Batch):
        return raw
    if isinstance(raw, np.ndarray):
        raw = torch.from_numpy(raw)
    if isinstance(raw, Mapping):
        return _from_mapping(raw, model)
    if isinstance(raw, Tensor) or (hasattr(raw, "to") and not isinstance(raw, type)):
        target = None if isinstance(raw, Tensor) else getattr(raw, "y", None)
        return Batch((raw,), {}, target, _samples(raw))
    if isinstance(raw, (tuple, list)) and raw:
        if images and all(isinstance(each, Tensor) and each.ndim == 3 for each in raw):
            return Batch((list(raw),), {}, None, len(raw))
        inputs, target = (raw[:-1], raw[-1]) if len(raw) > 1 else (raw, None)
        if not any(True for each in inputs for _ in _tensors(each)):
            raise _not_a_batch(raw)
        return Batch(tuple(inputs), {}, target, _samples(inputs[0]))
    raise _not_a_batch(raw)


def _from_mapping(raw: Mapping[Any, Any], model: nn.Module | None) -> Batch:
    kwargs = {str(name): value for name, value in raw.items()}
    named = next((name for name in TARGET_NAMES if name in kwargs), None)
    target = kwargs[named] if named else None
    if named and not (model is not None and _takes(model, named)):
        del kwargs[named]
    kwargs = {name: value for name, value in kwargs.items() if _is_meant(value, name, model)}
    inputs = [value for value in kwargs.values() for _ in _tensors(value)]
    if not inputs:
        raise _not_a_batch(raw)
    return Batch((), kwargs, target, _samples(inputs[0]))


def _is_meant(value: Any, name: str, model: nn.Module | None) -> bool:
    """False for what only stands beside the tensors: file names and ids that nobody asks for."""
    signature = None if model is None else _signature(model)
    if signature is None or any(True for _ in _tensors(value)):
        return True
    takes_all = any(each.kind is each.VAR_KEYWORD for each in signature.parameters.values())
    return takes_all or name in signature.parameters


def _takes(model: nn.Module, name: str) -> bool:
    signature = _signature(model)
    return signature is not None and name in signature.parameters


def _signature(model: Callable[..., Any]) -> inspect.Signature | None:
    try:
        return inspect.signature(getattr(model, "forward", model))
    except (TypeError, ValueError):
        return None


def _tensors(value: Any) -> Iterator[Any]:
    """The tensors, arrays and tensor-like objects in a value, at any depth."""
    if isinstance(value, (Tensor, np.ndarray)) or hasattr(value, "to"):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _tensors(each)
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from _tensors(each)


def _samples(value: Any) -> int:
    if isinstance(value, (list, tuple)) and all(
        isinstance(each, Tensor) and each.ndim == 3 for each in value
    ):
        return len(value)  # images of several sizes
    if hasattr(value, "num_graphs"):
        return int(value.num_graphs)
    first = next(_tensors(value), None)
    if isinstance(first, (Tensor, np.ndarray)):
        return int(first.shape[0]) if first.ndim else 1
    values = value.values() if isinstance(value, Mapping) else ()
    inside = next((each for each in values if isinstance(each, Tensor) and each.ndim), None)
    return 1 if inside is None else int(inside.shape[0])


def _moved(value: Any, device: torch.device | str, move: Callable[[Tensor], Tensor]) -> Any:
    if isinstance(value, Tensor):
        return move(value)
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        return move(torch.from_numpy(value))
    if hasattr(value, "to") and not isinstance(value, type):
        return value.to(device)
    if isinstance(value, Mapping):
        return {name: _moved(each, device, move) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        moved = [_moved(each, device, move) for each in value]
        return type(value)(*moved) if hasattr(value, "_fields") else type(value)(moved)
    return value


def _brief(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"{_dtype(value.dtype)} {tuple(value.shape)}"
    if isinstance(value, (list, tuple)) and value:
        return f"{type(value).__name__} of {len(value)}, first {_brief(value[0])}"
    return type(value).__name__


def _dtype(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _not_a_batch(raw: Any) -> DataError:
    inside = ""
    if isinstance(raw, Mapping):
        inside = f" with the keys {', '.join(map(str, raw))}" if raw else " that is empty"
    elif isinstance(raw, (list, tuple)):
        kinds = ", ".join(type(each).__name__ for each in raw[:6])
        inside = f" of {kinds}" if raw else " that is empty"
    return DataError(
        f"A batch is a {type(raw).__name__}{inside}: there is no tensor for the model in it.",
        hint="A batch is (inputs, target), a mapping of keywords, or a lone tensor.",
    )
