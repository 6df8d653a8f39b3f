"""What an observation tells: single calls, and what they have shown together."""

from __future__ import annotations

import dataclasses
import inspect
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, Literal

import torch
from torch import Tensor, nn

from netdoctor.facts.activations import Role
from netdoctor.facts.site import Site
from netdoctor.observe.kinds import Kind, kind_of_module
from netdoctor.observe.tracing import Trace
from netdoctor.report import NotExamined

Watch = Literal["activation", "module", "operation", "complex"]

_TORCH, _HERE, _NETDOCTOR = (
    f"{folder}{os.sep}"
    for folder in (
        Path(torch.__file__).parent, Path(__file__).parent, Path(__file__).parents[1]
    )
)  # fmt: skip
_SCRIPTED = "scripted or traced: what happens inside cannot be seen"


@dataclasses.dataclass(frozen=True, slots=True)
class Call:
    """One call, given to the callback right after it happened and before the next operation.

    The tensors are the live ones: reduce or clone them inside the callback, for an in-place
    operation may overwrite them next.

    Attributes:
        site: the call's unique name in this forward pass.
        watch: what was watched for.
        name: `relu` for an activation, the operation's name, or the module's class.
        output: its main tensor.
        inputs: tensors that went in (after the call: an in-place operation has overwritten them).
        kind: the activation function; None for others.
        module: the module that is the call, or in whose forward it ran; None outside of modules.
        trace: where the output comes from.
        outputs: all its ordinary tensors of floating-point or complex numbers.
        arguments: the positional and keyword arguments, as they were given.
    """

    site: Site
    watch: Watch
    name: str
    output: Tensor
    inputs: tuple[Tensor, ...]
    kind: Kind | None
    module: nn.Module | None
    trace: Trace
    outputs: tuple[Tensor, ...] = ()
    arguments: tuple[Sequence[Any], Mapping[str, Any]] = ((), {})

    def source(self) -> str:
        """`file.py:12` of the user's line that made the call; only while the callback runs.

        Empty where no line of the user's led to it, as inside a bare `nn.Sequential`.
        """
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and not _in(frame, _HERE):
            frame = frame.f_back  # the callback's own frames
        while frame is not None and _in(frame, (_TORCH, _HERE)):
            frame = frame.f_back
        if frame is None or _in(frame, _NETDOCTOR):
            return ""
        return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def users_line() -> str:
    """`file.py:12` of the user's line that is running now; empty when none is."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and _in(frame, (_TORCH, _NETDOCTOR)):
        if frame.f_code.co_filename.startswith(f"{_NETDOCTOR}inputs{os.sep}"):
            return ""  # who called the model or the loss
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame is not None else ""


def _in(frame: FrameType, folders: str | tuple[str, ...]) -> bool:
    return frame.f_code.co_filename.startswith(folders)


class Observation:
    """What an `observe` block has seen so far.

    Attributes:
        passes: forward passes that ended.
        roles: by call, where an activation stands; filled in at the end of each pass.
        after: by call, the path of the layer whose output an activation was given.
        upstream: by call, the activation calls that feed it, and `""` for the model's own input.
        running: path of the innermost module whose forward is running; empty for the model itself
            and outside of it.
    """

    def __init__(self, model: nn.Module) -> None:
        self.passes = 0
        self.roles: dict[str, Role] = {}
        self.after: dict[str, str] = {}
        self.upstream: dict[str, frozenset[str]] = {}
        self.reached_output: set[str] = set()
        self.copied_to_output: set[str] = set()
        self.gates: set[str] = set()
        self.called: set[int] = set()
        self.used_parameters: dict[int, str] = {}
        self.running = ""
        self._model = model

    def not_examined(self) -> list[NotExamined]:
        """Leaf modules with parameters or an activation that never ran, each with the reason."""
        found = []
        scripted: list[str] = []
        for path, module in self._model.named_modules():
            if isinstance(module, torch.jit.ScriptModule):
                if not path.startswith(tuple(scripted)):
                    found.append(NotExamined(path or "(model)", _SCRIPTED))
                    scripted.append(f"{path}." if path else "")
                continue
            if id(module) in self.called or next(module.children(), None) is not None:
                continue
            if _is_container(module):
                continue
            parameters = [*module.parameters(recurse=False)]
            if parameters or kind_of_module(module) is not None:
                reason = self._why_unseen(parameters)
                found.append(NotExamined(path or type(module).__name__, reason))
        return found

    def _why_unseen(self, parameters: list[nn.Parameter]) -> str:
        for each in parameters:
            if id(each) in self.used_parameters:
                user = self.used_parameters[id(each)] or "the model"
                return f"never called: its weights were used directly inside {user}"
        return "never called in these forward passes"

    def settle_roles(self) -> None:
        """Works out the roles from the flow that the pass has shown."""
        consumers: dict[str, set[str]] = {call: set() for call in self.upstream}
        for call, feeders in self.upstream.items():
            for feeder in feeders:
                consumers.setdefault(feeder, set()).add(call)
        for call in reversed(list(self.upstream)):
            if call in self.gates:
                self.roles[call] = "gate"
            elif call in self.copied_to_output and not consumers[call]:
                self.roles[call] = "output"
            elif (
                consumers[call]
                and call not in self.reached_output
                and all(self.roles.get(each) in ("gate", "gate-input") for each in consumers[call])
            ):
                self.roles[call] = "gate-input"
            else:
                self.roles[call] = "hidden"


def _is_container(module: nn.Module) -> bool:
    """Whether it only holds things (`ParameterList`): it has no forward that could run."""
    return inspect.getattr_static(type(module), "forward", None) is nn.Module.forward
