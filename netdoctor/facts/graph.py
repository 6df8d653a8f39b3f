"""The network as it ran: every call of one forward pass, and which outputs went where. No torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Literal

from netdoctor.report import Column, NotExamined, Table

NodeKind = Literal["input", "output", "module", "function"]
Shape = tuple[int, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class GraphNode:
    """One call, or an input or output of the model.

    Attributes:
        name: unique: the call's `Site` (`layer1.0.relu#2`, `layer1.0/add#1`), `input x`, `output`.
        path: of the module that it is, or in whose forward it ran.
        operation: the module's class, or the function's name: `Conv2d`, `add`.
        kind: `module` where the call of a layer is one node, `function` for other operations.
        scope: index of the innermost module call around it.
        parameters: number of weights that it used directly.
        shape: of its first output tensor; None where it gave none.
        dtype: of the same, `float32`.
        moves: whether it only hands values on: a view, an index, a cast, a Dropout that is off.
        opaque: whether what happens inside cannot be seen: scripted code, a custom function.
    """

    name: str
    path: str
    operation: str
    kind: NodeKind
    scope: int = 0
    parameters: int = 0
    shape: Shape | None = None
    dtype: str = ""
    moves: bool = False
    opaque: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class GraphScope:
    """One call of a module with calls inside it; the first is the model's own.

    Attributes:
        name: `layer1.0#1`: path and number of the call.
        path: empty for the model.
        kind: the class's name.
        parent: index of the scope around it; -1 for the model's.
        parameters: number of weights of the module, those of modules in it included.
    """

    name: str
    path: str
    kind: str
    parent: int
    parameters: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class GraphEdge:
    """A tensor that one node made and another one took; by the nodes' indices."""

    source: int
    target: int
    shape: Shape
    dtype: str = ""


@dataclasses.dataclass(frozen=True)
class GraphFacts:
    """The calls of one forward pass in the order in which they ran, inputs first, outputs last.

    Invariant: an edge leads from an earlier node to a later one, and so there is no cycle.

    Attributes:
        model: what was run, as the user named it.
        nodes: the calls.
        scopes: the module calls around them, each after the one that it is in.
        edges: each at most once for a pair of nodes and a shape.
        parameters: number of weights of the whole model.
        samples: size of the batch that was run.
        device: where it ran.
        not_examined: what never ran, each with its reason.
    """

    model: str
    nodes: Sequence[GraphNode]
    scopes: Sequence[GraphScope]
    edges: Sequence[GraphEdge]
    parameters: int = 0
    samples: int = 0
    device: str = "cpu"
    not_examined: Sequence[NotExamined] = ()

    def __post_init__(self) -> None:
        for edge in self.edges:
            if not 0 <= edge.source < edge.target < len(self.nodes):
                raise ValueError(f"no edge from an earlier node to a later one: {edge}")
        for index, scope in enumerate(self.scopes):
            if not -1 <= scope.parent < index or (scope.parent < 0) != (index == 0):
                raise ValueError(f"a scope comes after the one that it is in: {scope}")
        if not all(0 <= node.scope < len(self.scopes) for node in self.nodes):
            raise ValueError("a node is in no scope")
        if len({node.name for node in self.nodes}) < len(self.nodes):
            raise ValueError("two nodes have one name")

    @cached_property
    def calls(self) -> dict[str, int]:
        """How often each module that is a node was called, by path."""
        count: dict[str, int] = {}
        for node in self.nodes:
            if node.kind == "module":
                count[node.path] = count.get(node.path, 0) + 1
        return count

    @cached_property
    def from_input(self) -> frozenset[int]:
        """The nodes to which something leads from an input."""
        return self._led_from(node.kind == "input" for node in self.nodes)

    @cached_property
    def computed(self) -> frozenset[int]:
        """The nodes to which something leads from an input or from a layer with weights.

        The rest are constants, and what is computed of weights and constants alone.
        """
        return self._led_from(
            node.kind == "input" or (node.kind == "module" and node.parameters > 0)
            for node in self.nodes
        )

    def _led_from(self, starts: Iterable[bool]) -> frozenset[int]:
        reached = {at for at, is_start in enumerate(starts) if is_start}
        for edge in sorted(self.edges, key=lambda each: each.target):
            if edge.source in reached:
                reached.add(edge.target)
        return frozenset(reached)

    @cached_property
    def to_output(self) -> frozenset[int]:
        """The nodes from which something leads to an output; all where nothing does."""
        outputs = {at for at, node in enumerate(self.nodes) if node.kind == "output"}
        reached = set(outputs)
        for edge in sorted(self.edges, key=lambda each: -each.target):
            if edge.target in reached:
                reached.add(edge.source)
        return frozenset(reached if reached - outputs else range(len(self.nodes)))


_COLUMNS = (
    Column("node", "node", "name"),
    Column("operation", "operation"),
    Column("inputs", "from", "text", 2),
    Column("shape", "output", "shape"),
    Column("parameters", "parameters", "integer", 1),
    Column("dtype", "dtype", "text", 3),
    Column("kind", "kind", "text", hidden=True),
    Column("scope", "scope", "text", hidden=True),
    Column("moves", "moves", "text", hidden=True),
    Column("sources", "sources", "text", hidden=True),
)
_NAMED = 2  # sources that are named in the printed table


def table(facts: GraphFacts, shown: int | None = None) -> Table:
    """Every node with the nodes that its inputs come from, in the order of the pass."""
    sources: dict[int, list[str]] = {}
    for edge in facts.edges:
        names = sources.setdefault(edge.target, [])
        if facts.nodes[edge.source].name not in names:
            names.append(facts.nodes[edge.source].name)
    rows = [
        {
            "node": node.name,
            "operation": node.operation,
            "inputs": _brief(sources.get(at, [])),
            "shape": node.shape,
            "parameters": node.parameters,
            "dtype": node.dtype,
            "kind": node.kind,
            "scope": facts.scopes[node.scope].name,
            "moves": node.moves,
            "sources": sources.get(at, []),
        }
        for at, node in enumerate(facts.nodes)
    ]
    return Table("nodes", "nodes", _COLUMNS, rows, shown)


def _brief(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
