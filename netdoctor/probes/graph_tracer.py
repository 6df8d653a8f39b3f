"""Follows one forward pass: which line made each node of the graph, and where it was cut."""

from __future__ import annotations

import dataclasses
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from netdoctor.observe import Observation, users_line
from netdoctor.observe.kinds import operation_name
from netdoctor.observe.tracing import tensors_in

# They hand values to Python or numpy; what becomes of those cannot be seen.
_TO_PYTHON = frozenset({"item", "tolist", "numpy", "array", "float", "int", "bool", "index"})
# Of their argument they take only the shape.
_SHAPE_ONLY = frozenset(
    {"zeros_like", "ones_like", "full_like", "empty_like", "rand_like", "randn_like",
     "randint_like", "new_zeros", "new_ones", "new_full", "new_empty", "new_tensor", "size"}
)  # fmt: skip
Node = Any
"""A node of autograd's graph, a tensor's `grad_fn`."""


@dataclasses.dataclass(frozen=True, slots=True)
class Operation:
    """One call of a torch function.

    Attributes:
        name: `conv2d`, `detach`.
        where: path of the module in whose forward it ran.
        source: the user's line.
        in_loss: whether it ran after the model had returned.
    """

    name: str
    where: str
    source: str
    in_loss: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Cut:
    """An operation that took what needs a gradient and gave what has none.

    Attributes:
        operation: which; `no_grad` where that was in force.
        nodes: of the tensors that it took.
        leaves: identities of the parameters that it took.
        to_python: whether it gave no tensor at all.
    """

    operation: Operation
    nodes: tuple[Node, ...]
    leaves: frozenset[int]
    to_python: bool


class Tracer(TorchFunctionMode):
    """Sees every function of a pass, inside an `observe` block whose observation it asks."""

    def __init__(self, seen: Observation) -> None:
        super().__init__()
        self.seen = seen
        self.in_loss = False
        self.cuts: list[Cut] = []
        self.operations: dict[int, Operation] = {}
        self.nodes: dict[int, Node] = {}
        self._no_grad: Operation | None = None
        self._behind: dict[int, tuple[weakref.ref[Tensor], frozenset[int]]] = {}

    def cuts_behind(self, tensor: Tensor) -> list[Cut]:
        """The cuts through which a tensor got a part of its value, in the order of the pass."""
        return [self.cuts[place] for place in sorted(self._cuts_of(tensor))]

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        name = operation_name(func)
        if name == "get":
            name = getattr(getattr(func, "__self__", None), "__name__", "")
            if name != "data":
                return func(*args, **kwargs)
        if name == "set_grad_enabled":
            self._no_grad = None if args and args[0] else self._operation("no_grad")
            return func(*args, **kwargs)
        given = [*tensors_in(args), *tensors_in(kwargs)]
        live = [(each, each.grad_fn) for each in given if each.requires_grad]
        result = func(*args, **kwargs)
        with torch._C.DisableTorchFunction():
            made = tensors_in(args[0] if name == "setitem" else result)
            self._note(name, given, live, made)
        return result

    def _note(
        self, name: str, given: list[Tensor], live: list[tuple[Tensor, Node]], made: list[Tensor]
    ) -> None:
        behind = frozenset().union(*(self._cuts_of(each) for each in given))
        if name in _TO_PYTHON and behind and not live:
            earlier = [self.cuts[place] for place in sorted(behind)]
            nodes = tuple(node for cut in earlier for node in cut.nodes)
            leaves = frozenset().union(*(cut.leaves for cut in earlier))
            self.cuts.append(Cut(self._operation(name), nodes, leaves, True))
        alive = [each for each in made if each.requires_grad]
        if live and not alive and (made or name in _TO_PYTHON) and name not in _SHAPE_ONLY:
            operation = self._cutting(name)
            if operation is not None:
                behind |= {len(self.cuts)}
                nodes = tuple(node for _, node in live if node is not None)
                leaves = frozenset(id(each) for each, node in live if node is None)
                self.cuts.append(Cut(operation, nodes, leaves, not made))
        for each in made:
            self._behind[id(each)] = (weakref.ref(each), behind)
        if any(each.grad_fn is not None for each in alive):
            self._label([each.grad_fn for each in alive], self._operation(name))

    def _cutting(self, name: str) -> Operation | None:
        """The operation to blame; None inside a custom function, which has its own backward."""
        if torch.is_grad_enabled():
            return self._operation(name)
        if torch.is_inference_mode_enabled():
            return self._operation("inference_mode")
        return self._no_grad

    def _operation(self, name: str) -> Operation:
        return Operation(name, self.seen.running, users_line(), self.in_loss)

    def _cuts_of(self, tensor: Tensor) -> frozenset[int]:
        entry = self._behind.get(id(tensor))
        return entry[1] if entry is not None and entry[0]() is tensor else frozenset()

    def _label(self, new: Iterable[Node], operation: Operation) -> None:
        """Gives the operation to every node down to those that have one."""
        waiting = [node for node in new if node is not None]
        while waiting:
            node = waiting.pop()
            if id(node) in self.nodes:
                continue
            self.nodes[id(node)] = node
            self.operations[id(node)] = operation
            waiting += [below for below, _ in node.next_functions if below is not None]


def leaves_below(nodes: Iterable[Node]) -> set[int]:
    """Identities of the parameters that these nodes reach."""
    waiting = [node for node in nodes if node is not None]
    seen, found = {id(node) for node in waiting}, set()
    kept = list(waiting)  # a node's wrapper lives only as long as somebody holds it
    while waiting:
        node = waiting.pop()
        if hasattr(node, "variable"):
            found.add(id(node.variable))
        for below, _ in node.next_functions:
            if below is not None and id(below) not in seen:
                seen.add(id(below))
                kept.append(below)
                waiting.append(below)
    return found
