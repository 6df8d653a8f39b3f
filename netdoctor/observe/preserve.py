"""Leaves a model as it was found: flags, hooks, buffers, weights, gradients, random state."""

from __future__ import annotations

import random
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.overrides import TorchFunctionMode

_CONTAINERS = (dict, list, set, deque)
_COPIED_AT_ONCE = 2**20  # bytes; a larger buffer is copied when something is about to write to it
_HAND_OUT_MEMORY = ("numpy", "__array__", "__dlpack__")  # what is written through it is not seen
_NORMS = ("batch_norm", "instance_norm")
_WRITE_TO_ANY = ("embedding", "embedding_bag", *_NORMS)  # by `max_norm`, to running statistics


@contextmanager
def preserved(model: nn.Module) -> Iterator[None]:
    """A block after which the model is bit for bit as before, also when the block raises.

    Restored: every module's attributes (training flag, hooks, submodules, dicts, lists, sets and
    what is nested in them), `requires_grad`, `.grad`, buffers and tensor attributes, weights that
    an operation wrote to, and the random states of torch, numpy and Python. Weights are copied
    only when an operation is about to write to them, so that a healthy forward pass costs no
    memory. Inside the block every parameter's `.grad` is None.

    Not restored: what a module keeps in objects of the user's own, weights that scripted code
    writes to, and modules to which the first call gives their shape (`LazyLinear`).
    """
    with restored(model) as guard, _GuardMode(guard):
        yield


@contextmanager
def restored(model: nn.Module) -> Iterator[WriteGuard]:
    """As `preserved`, for a caller that itself tells the guard of every torch function."""
    attributes = [
        (module, type(module), module.training, dict(vars(module))) for module in model.modules()
    ]
    held = tuple(value for *_, saved in attributes for value in saved.values())
    copies = [
        (each, dict(each) if isinstance(each, dict) else list(each))
        for each in _containers_in(held, set())
    ]
    tensors = _Tensors(model, [held, *(copy for _, copy in copies)])
    restore_random = _random_state()
    try:
        tensors.set_gradients_aside()
        yield WriteGuard(tensors)
    finally:
        with _interrupts_held():
            for container, copy in copies:
                _refill(container, copy)
            for module, kind, training, saved in attributes:
                if type(module) is kind:
                    vars(module).update(saved)
                    for key in vars(module).keys() - saved.keys():
                        del vars(module)[key]
                else:
                    _remove_lazy_hooks(saved)
                if module.training != training:  # a scripted module holds it elsewhere
                    module.training = training
            tensors.restore()
            restore_random()


def _remove_lazy_hooks(saved: Mapping[str, Any]) -> None:
    """Takes off what would give its shape to a lazy module that has one by now."""
    for name in ("_initialize_hook", "_load_hook"):
        if name in saved:
            saved[name].remove()


class _Tensors:
    """The tensors of a model and how to bring their values back."""

    def __init__(self, model: nn.Module, held: Iterable[Any]) -> None:
        weights = {id(each): each for each in model.parameters()}
        values = (each.values() if isinstance(each, dict) else each for each in held)
        state = {
            id(value): value
            for value in chain(model.buffers(), *values)
            if isinstance(value, Tensor) and id(value) not in weights
        }
        self.leaves = [
            (each, each.requires_grad, each.grad)
            for each in (*weights.values(), *state.values())
            if each.is_leaf
        ]
        self.memory = [
            (each, each.data)
            for each in (*weights.values(), *state.values())
            if not (is_lazy(each) or each.is_meta)
        ]
        self.copies: dict[int, tuple[Tensor, Tensor]] = {}
        self.by_storage: dict[int, list[Tensor]] = {}
        for tensor in (*weights.values(), *state.values()):
            address = _storage(tensor)
            if address:
                self.by_storage.setdefault(address, []).append(tensor)
        for tensor in state.values():
            if not is_lazy(tensor) and tensor.numel() * tensor.element_size() <= _COPIED_AT_ONCE:
                self.copy(tensor)

    def copy_all(self) -> None:
        for tensor, _ in self.memory:
            self.copy(tensor)

    def copy(self, tensor: Tensor) -> None:
        if id(tensor) not in self.copies and not tensor.is_meta:
            with torch.no_grad(), torch._C.DisableTorchFunction():
                self.copies[id(tensor)] = (tensor, tensor.detach().clone())

    def set_gradients_aside(self) -> None:
        for tensor, _, gradient in self.leaves:
            if gradient is not None:
                tensor.grad = None

    def restore(self) -> None:
        for tensor, data in self.memory:
            if not _same_memory(tensor, data):
                tensor.data = data
        for tensor, value in self.copies.values():
            with torch.inference_mode(tensor.is_inference()):
                tensor.data.copy_(value)
        for tensor, requires_grad, gradient in self.leaves:
            if tensor.requires_grad != requires_grad:
                tensor.requires_grad_(requires_grad)
            tensor.grad = gradient


class WriteGuard:
    """Copies a weight or large buffer before the first operation that writes to it."""

    def __init__(self, tensors: _Tensors) -> None:
        self._tensors = tensors

    def before(
        self, func: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> None:
        """Must be told of every torch function that is about to run."""
        if not (_may_write(func) or (kwargs and ("out" in kwargs or kwargs.get("inplace")))):
            return
        name = getattr(func, "__name__", "")
        targets = args[:1]
        if not args or name in _WRITE_TO_ANY:
            if not _writes_to_any(name, kwargs):
                return
            targets = [*args, *kwargs.values()]
        elif "out" in kwargs:
            targets = [kwargs["out"]]
        for target in targets:
            for each in target if isinstance(target, (list, tuple)) else (target,):
                if isinstance(each, Tensor):
                    self._about_to_write(each)

    def keep_all(self) -> None:
        """Copies everything now, for a caller that writes to it all: nothing need be told then."""
        self._tensors.copy_all()

    def _about_to_write(self, tensor: Tensor) -> None:
        for each in self._tensors.by_storage.get(_storage(tensor), ()):
            self._tensors.copy(each)


class _GuardMode(TorchFunctionMode):
    def __init__(self, guard: WriteGuard) -> None:
        super().__init__()
        self.guard = guard

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        self.guard.before(func, args, kwargs)
        return func(*args, **kwargs)


@lru_cache(maxsize=4096)
def _may_write(func: Callable[..., Any]) -> bool:
    name: str = getattr(func, "__name__", "")
    if name in _WRITE_TO_ANY or name in _HAND_OUT_MEMORY:
        return True
    if name.startswith("__"):
        return name.startswith("__i") or name in ("__setitem__", "__set__")
    return name.endswith("_")


def _writes_to_any(name: str, kwargs: Mapping[str, Any]) -> bool:
    if name in _NORMS:
        return bool(kwargs.get("training", kwargs.get("use_input_stats", True)))
    return name not in _WRITE_TO_ANY or kwargs.get("max_norm", True) is not None


def _storage(tensor: Tensor) -> int:
    try:
        return tensor.untyped_storage().data_ptr()
    except (RuntimeError, NotImplementedError, ValueError):  # sparse, uninitialised, functional
        return 0


def _same_memory(tensor: Tensor, data: Tensor) -> bool:
    """Whether a tensor still is what its `.data` was."""
    if tensor.layout != torch.strided or data.layout != torch.strided:
        return tensor.layout == data.layout and tensor.shape == data.shape
    return (tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype) == (
        data.data_ptr(), data.shape, data.stride(), data.dtype
    )  # fmt: skip


def _containers_in(value: Any, seen: set[int]) -> Iterator[Any]:
    """The dicts, lists, sets and deques in a value, however deep, each once."""
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, _CONTAINERS):
        yield value
    for each in value.values() if isinstance(value, dict) else value:
        if isinstance(each, (*_CONTAINERS, tuple)):
            yield from _containers_in(each, seen)


def _refill(container: Any, copy: Any) -> None:
    """Puts back what a container held, if that has changed."""
    if _identities(container) == _identities(copy):
        return
    container.clear()
    if isinstance(container, (dict, set)):
        container.update(copy)
    else:
        container.extend(copy)


def _identities(container: Any) -> list[int]:
    if isinstance(container, dict):
        return [id(each) for each in chain(container, container.values())]
    return [id(each) for each in container]


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Puts off a Ctrl-C until the block has ended."""
    handler = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or handler is None:
        yield
        return
    came: list[int] = []
    signal.signal(signal.SIGINT, lambda number, frame: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        if came:
            signal.raise_signal(signal.SIGINT)


def _random_state() -> Callable[[], None]:
    """Remembers the random states of torch (every device in use), numpy and Python."""
    cpu, python, numpy_state = torch.get_rng_state(), random.getstate(), np.random.get_state()
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else None
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
