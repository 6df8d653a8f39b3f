"""Graphs made by hand: no network, no torch."""

from __future__ import annotations

from collections.abc import Sequence

from netdoctor.facts.graph import GraphEdge, GraphFacts, GraphNode, GraphScope, Shape
from netdoctor.report import NotExamined


class Sketch:
    """Notes calls one after another; each returns its number."""

    def __init__(self, model: str = "Net") -> None:
        self.model = model
        self.nodes: list[GraphNode] = []
        self.scopes = [GraphScope("(model)#1", "", "Net", -1)]
        self.edges: list[GraphEdge] = []
        self.not_examined: list[NotExamined] = []
        self.calls: dict[str, int] = {}

    def scope(self, path: str, kind: str = "Block", parent: int = 0, weights: int = 1) -> int:
        number = self.calls[path] = self.calls.get(path, 0) + 1
        self.scopes.append(GraphScope(f"{path}#{number}", path, kind, parent, weights))
        return len(self.scopes) - 1

    def input(self, name: str = "input x", shape: Shape = (2, 4)) -> int:
        return self._add(GraphNode(name, "", "input", "input", shape=shape), ())

    def output(self, *sources: int, name: str = "output") -> int:
        return self._add(GraphNode(name, "", "output", "output"), sources)

    def layer(
        self,
        path: str,
        *sources: int,
        scope: int = 0,
        kind: str = "Linear",
        shape: Shape = (2, 4),
        parameters: int = 20,
    ) -> int:
        number = self.calls[path] = self.calls.get(path, 0) + 1
        node = GraphNode(f"{path}#{number}", path, kind, "module", scope, parameters, shape)
        return self._add(node, sources)

    def call(
        self,
        name: str,
        *sources: int,
        scope: int = 0,
        shape: Shape = (2, 4),
        moves: bool = False,
    ) -> int:
        path = self.scopes[scope].path
        key = f"{path}/{name}"
        number = self.calls[key] = self.calls.get(key, 0) + 1
        node = GraphNode(f"{key}#{number}", path, name, "function", scope, 0, shape, moves=moves)
        return self._add(node, sources)

    def facts(self) -> GraphFacts:
        return GraphFacts(
            self.model, self.nodes, self.scopes, self.edges, 100, 2, "cpu", self.not_examined
        )

    def _add(self, node: GraphNode, sources: Sequence[int]) -> int:
        self.nodes.append(node)
        at = len(self.nodes) - 1
        self.edges += [GraphEdge(each, at, self.nodes[each].shape or ()) for each in sources]
        return at


def residual_stack(blocks: int, different: Sequence[int] = ()) -> Sketch:
    """A stem, so many residual blocks `layer.0`, `layer.1`, …, and a head."""
    sketch = Sketch()
    at = sketch.layer("stem", sketch.input())
    layer = sketch.scope("layer", "Sequential")
    for number in range(blocks):
        block = sketch.scope(f"layer.{number}", "Residual", layer)
        kind = "Conv2d" if number in different else "Linear"
        first = sketch.layer(f"layer.{number}.a", at, scope=block, kind=kind)
        second = sketch.layer(f"layer.{number}.b", first, scope=block)
        at = sketch.call("add", second, at, scope=block)
    sketch.output(sketch.layer("head", at))
    return sketch
