"""Runs one forward pass and says which call's output went where."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import nn

from netdoctor.errors import ModelError
from netdoctor.facts.graph import GraphEdge, GraphFacts, GraphNode, GraphScope
from netdoctor.inputs.batches import Batch
from netdoctor.observe import Observation, observe, tensors_in
from netdoctor.observe.flow import Flow, Scope, Step
from netdoctor.probes.nonfinite import MOVES
from netdoctor.probes.samples import few
from netdoctor.report import NotExamined

_LAYERS = ("torch.nn.modules", "torch.ao.nn")
_SAMPLES = 2
_MOST_OUTPUTS = 8
_NUMPY = "values went through numpy: what becomes of them cannot be followed"
# What shapes the network for a reader, though it only moves values.
_SHOWN = frozenset({"flatten", "chunk", "split", "tensor_split", "unbind", "roll", "flip"})
_ALSO_MOVES = frozenset(
    {"to", "float", "half", "double", "bfloat16", "type", "type_as", "clone", "long", "int", "bool",
     "as_tensor", "as_subclass", "alias", "deepcopy"}
)  # fmt: skip


def measure(
    module: nn.Module, batch: Batch, *, name: str = "", samples: int = _SAMPLES
) -> GraphFacts:
    """The calls of one forward pass in evaluation mode, linked by the tensors that went between.

    A layer of PyTorch's own is one call, and so is each torch function outside of one. An
    in-place operation continues the tensor that it writes to. What comes out of code that torch
    functions cannot see (scripted modules, custom C++ operations) is linked to the inputs of the
    module in which it ran.

    Args:
        module: the unwrapped model; left as it was found.
        batch: on the model's device.
        name: of the model, for the facts; its class where empty.
        samples: how many of the batch's samples are run, where these can be told apart.

    Raises:
        ModelError: the model raised, or gave no tensor.
    """
    part = few(batch, samples)
    with observe(module, lambda call: None, watch=()) as seen, torch.no_grad():
        module.eval()
        flow = Flow(module)
        with flow.following():
            given = [flow.give(label, value) for label, value in _inputs(module, part)]
            output = part.call(module)
            returned = [(label, flow.origins(value)) for label, value in _outputs(output)]
        not_examined = [
            *seen.not_examined(),
            *(NotExamined(path or "(model)", _NUMPY) for path in flow.left),
        ]
    if not returned:
        raise ModelError(
            f"the model returned no tensor, but {type(output).__name__}",
            hint="the graph ends where tensors are returned: let forward return them",
        )
    facts = _Assembly(flow, seen, set(given)).facts(returned)
    return GraphFacts(
        name or type(module).__name__,
        *facts,
        parameters=sum(each.numel() for each in module.parameters()),
        samples=part.size,
        device=str(next((each.device for each in module.parameters()), "cpu")),
        not_examined=not_examined,
    )


def _inputs(module: nn.Module, batch: Batch) -> Iterator[tuple[str, Any]]:
    """The arguments that hold tensors, by the names that the model's forward has for them."""
    try:
        names = list(inspect.signature(module.forward).parameters)
    except (TypeError, ValueError):
        names = []
    given = [(names[at] if at < len(names) else str(at), v) for at, v in enumerate(batch.args)]
    for name, value in (*given, *batch.kwargs.items()):
        if tensors_in([value]):
            yield f"input {name}" if name != "input" else name, value


def _outputs(output: Any) -> list[tuple[str, Any]]:
    """The parts of what was returned that hold tensors, each with a name."""
    parts: list[tuple[str, Any]] = [("output", output)]
    if isinstance(output, Mapping):
        parts = [(f"output {key}", value) for key, value in output.items()]
    elif hasattr(output, "_asdict"):
        parts = [(f"output {key}", value) for key, value in output._asdict().items()]
    elif isinstance(output, (tuple, list)) and len(output) > 1:
        parts = [(f"output {at}", value) for at, value in enumerate(output)]
    parts = [(label, value) for label, value in parts if tensors_in([value])]
    return parts if len(parts) <= _MOST_OUTPUTS else [("output", output)]


class _Assembly:
    """Makes nodes of steps: those inside a layer of PyTorch's own become one."""

    def __init__(self, flow: Flow, seen: Observation, inputs: set[int]) -> None:
        self.flow = flow
        self.inputs = inputs
        self.with_calls = {scope.parent for scope in flow.scopes}
        self.layers = [self._is_layer(at, scope) for at, scope in enumerate(flow.scopes)]
        self.numbers: dict[int, int] = {}  # of the scopes that stay, their new index
        self.scopes: list[GraphScope] = []
        self.nodes: list[GraphNode] = []
        self.names: set[str] = set()

    def facts(self, returned: Any) -> tuple[list[GraphNode], list[GraphScope], list[GraphEdge]]:
        for at, scope in enumerate(self.flow.scopes):
            if at == 0 or not self.layers[at]:
                self._keep_scope(at, scope)
        node_of, edges = self._make_nodes()
        for label, values in returned:
            shape, dtype = (values[0][1], values[0][2]) if values else (None, "")
            self.nodes.append(
                GraphNode(self._free(label), "", "output", "output", shape=shape, dtype=dtype)
            )
            edges += [(node_of[step], len(self.nodes) - 1, *about) for step, *about in values]
        unique = dict.fromkeys(edges)
        return self.nodes, self.scopes, [GraphEdge(*each) for each in unique if each[0] < each[1]]

    def _is_layer(self, at: int, scope: Scope) -> bool:
        return at not in self.with_calls and type(scope.module).__module__.startswith(_LAYERS)

    def _keep_scope(self, at: int, scope: Scope) -> None:
        parent = self.numbers[scope.parent] if scope.parent >= 0 and at else -1
        if parent < 0 and self.scopes:
            parent = 0  # a module that was called outside of the model's own forward
        self.numbers[at] = len(self.scopes)
        kind = str(getattr(scope.module, "original_name", type(scope.module).__name__))
        weights = sum(each.numel() for each in scope.module.parameters())
        self.scopes.append(GraphScope(str(scope.site), scope.site.path, kind, parent, weights))

    def _make_nodes(self) -> tuple[dict[int, int], list[Any]]:
        """The node of each step, and what leads from node to node."""
        node_of: dict[int, int] = {}
        edges: list[Any] = []
        last_of = {
            scope.last - 1: at
            for at, scope in enumerate(self.flow.scopes)
            if self.layers[at] and scope.last > scope.first
        }
        waiting: list[int] = []  # steps of the layer that is running
        for number, step in enumerate(self.flow.steps):
            waiting.append(number)
            layer = step.scope if step.scope >= 0 and self.layers[step.scope] else -1
            if layer >= 0 and last_of.get(number) != layer:
                continue
            self.nodes.append(self._layer(layer) if layer >= 0 else self._plain(number, step))
            for each in waiting:
                node_of[each] = len(self.nodes) - 1
            edges += [
                (node_of[source], len(self.nodes) - 1, *about)
                for each in waiting
                for source, *about in self.flow.steps[each].taken
                if source not in waiting
            ]
            waiting = []
        return node_of, edges

    def _plain(self, number: int, step: Step) -> GraphNode:
        if number in self.inputs:
            return GraphNode(
                self._free(step.site.path), "", "input", "input", 0, 0, step.shape, step.dtype
            )
        module = not step.site.operation
        return GraphNode(
            self._free(str(step.site)), step.site.path, step.operation,
            "module" if module else "function", self.numbers[step.scope],
            sum(step.weights.values()), step.shape, step.dtype,
            step.same or (step.operation in MOVES | _ALSO_MOVES and step.operation not in _SHOWN),
            step.opaque,
        )  # fmt: skip

    def _layer(self, at: int) -> GraphNode:
        scope = self.flow.scopes[at]
        parent = self.numbers[scope.parent] if scope.parent >= 0 else 0
        steps = self.flow.steps[scope.first : scope.last]
        return GraphNode(
            self._free(str(scope.site)), scope.site.path, type(scope.module).__name__, "module",
            parent, sum(each.numel() for each in scope.module.parameters()), scope.shape,
            scope.dtype, scope.same and all(step.same for step in steps),
            any(step.opaque for step in steps),
        )  # fmt: skip

    def _free(self, name: str) -> str:
        """The name, made unique where two calls have one."""
        free, number = name, 1
        while free in self.names:
            number += 1
            free = f"{name}~{number}"
        self.names.add(free)
        return free
