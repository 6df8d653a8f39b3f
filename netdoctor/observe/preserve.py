"""Leaves a model as it was found: flags, hooks, buffers, weights, gradients, random state."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

_COPIED_AT_ONCE = 2**20  # bytes; a larger buffer is copied when something is about to write to it
_CONTAINERS = (dict, list, set, deque)
_NORMS_THAT_WRITE = ("batch_norm", "instance_norm")


@contextmanager
def preserved(model: nn.Module) -> Iterator[None]:
    """A block after which the model is bit for bit as before, also when the block raises.

    Restored: every module's attributes (training flag, hooks, submodules, containers held
    directly), `requires_grad`, `.grad`, buffers and tensor attributes, weights that an operation
    wrote to, and the random states of torch, numpy and Python. Weights are copied only when an
    operation is about to write to them, so that a healthy forward pass costs no memory.
    Inside the block every `.grad` is None.

    Not restored: what a module keeps in objects of the user's own or in nested containers.
    """
    tensors = _Tensors(model)
    attributes = [(module, _attributes(module)) for module in model.modules()]
    restore_random = _random_state()
    try:
        tensors.set_gradients_aside()
        with _WriteGuard(tensors):
            yield
    finally:
        for module, saved in attributes:
            _restore_attributes(module, saved)
        tensors.restore()
        restore_random()


class _Tensors:
    """The tensors of a model and how to bring their values back."""

    def __init__(self, model: nn.Module) -> None:
        parameters = list(model.parameters())
        state = list(model.buffers())
        for module in model.modules():
            state += [
                value
                for key, value in vars(module).items()
                if isinstance(value, Tensor) and not key.startswith("__")
            ]
        self.parameters = [(each, each.requires_grad, each.grad) for each in parameters]
        self.copies: dict[int, tuple[Tensor, Tensor, Tensor]] = {}
        self.by_storage: dict[int, list[Tensor]] = {}
        for tensor in [*parameters, *state]:
            address = _storage(tensor)
            if address:
                self.by_storage.setdefault(address, []).append(tensor)
        for tensor in state:
            if tensor.numel() * tensor.element_size() <= _COPIED_AT_ONCE:
                self.copy(tensor)

    def copy(self, tensor: Tensor) -> None:
        if id(tensor) not in self.copies and not tensor.is_meta:
            with torch.no_grad():
                self.copies[id(tensor)] = (tensor, tensor.data, tensor.detach().clone())

    def about_to_write(self, tensor: Tensor) -> None:
        for each in self.by_storage.get(_storage(tensor), ()):
            self.copy(each)

    def set_gradients_aside(self) -> None:
        for parameter, _, gradient in self.parameters:
            if gradient is not None:
                parameter.grad = None

    def restore(self) -> None:
        for tensor, data, value in self.copies.values():
            with torch.inference_mode(tensor.is_inference()), torch.no_grad():
                if tensor.data_ptr() != data.data_ptr() or tensor.shape != data.shape:
                    tensor.data = data
                data.copy_(value)
        for parameter, requires_grad, gradient in self.parameters:
            parameter.grad = gradient
            if parameter.requires_grad != requires_grad:
                parameter.requires_grad_(requires_grad)


class _WriteGuard(TorchFunctionMode):
    """Copies a weight or large buffer before the first operation that writes to it."""

    def __init__(self, tensors: _Tensors) -> None:
        super().__init__()
        self.tensors = tensors

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if _may_write(func) or "out" in kwargs:
            for tensor in _written(func, args, kwargs):
                self.tensors.about_to_write(tensor)
        return func(*args, **kwargs)


@lru_cache(maxsize=4096)
def _may_write(func: Callable[..., Any]) -> bool:
    name: str = getattr(func, "__name__", "")
    if name.startswith("__"):
        return name.startswith("__i") or name in ("__setitem__", "__set__")
    return name.endswith("_") or name in ("embedding", "embedding_bag", *_NORMS_THAT_WRITE)


def _written(
    func: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Iterator[Tensor]:
    name = getattr(func, "__name__", "")
    if name in ("embedding", "embedding_bag", *_NORMS_THAT_WRITE):
        targets: Sequence[Any] = [*args, *kwargs.values()]  # `max_norm` and running statistics
    else:
        targets = [*args[:1], kwargs.get("out"), kwargs.get("input")]
    for target in targets:
        for each in target if isinstance(target, (list, tuple)) else (target,):
            if isinstance(each, Tensor):
                yield each


def _storage(tensor: Tensor) -> int:
    try:
        return tensor.untyped_storage().data_ptr()
    except (RuntimeError, NotImplementedError):  # sparse, uninitialised, functional tensors
        return 0


def _attributes(module: nn.Module) -> dict[str, tuple[Any, Any]]:
    return {
        key: (value, value.copy() if isinstance(value, _CONTAINERS) else None)
        for key, value in vars(module).items()
    }


def _restore_attributes(module: nn.Module, saved: Mapping[str, tuple[Any, Any]]) -> None:
    current = vars(module)
    for key in [key for key in current if key not in saved]:
        del current[key]
    for key, (value, copy) in saved.items():
        if copy is not None and not _same_items(value, copy):
            value.clear()
            if isinstance(value, (dict, set)):
                value.update(copy)
            else:
                value.extend(copy)
        current[key] = value


def _same_items(value: Any, copy: Any) -> bool:
    if len(value) != len(copy):
        return False
    if isinstance(value, dict):
        return all(
            a is b and value[a] is copy[b] for a, b in zip(value, copy, strict=True)
        )
    return all(a is b for a, b in zip(value, copy, strict=True))


def _random_state() -> Callable[[], None]:
    """Remembers the random states of torch (every device in use), numpy and Python."""
    cpu, python, numpy_state = torch.get_rng_state(), random.getstate(), np.random.get_state()
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None
    mps = torch.mps.get_rng_state() if torch.backends.mps.is_available() else None

    def restore() -> None:
        torch.set_rng_state(cpu)
        random.setstate(python)
        np.random.set_state(numpy_state)
        if cuda is not None:
            torch.cuda.set_rng_state_all(cuda)
        if mps is not None:
            torch.mps.set_rng_state(mps)

    return restore
