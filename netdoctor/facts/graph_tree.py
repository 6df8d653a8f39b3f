"""The graph as a tree of module calls, without what only moves values; equal blocks as one."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable

from netdoctor.facts.graph import GraphEdge, GraphFacts, GraphNode
from netdoctor.facts.graph_blocks import Group, Merging, nodes_in


@dataclasses.dataclass(slots=True)
class Tree:
    """What is to be drawn.

    Attributes:
        root: the model.
        stands_for: by node, all the nodes that it stands for; the only nodes that are left.
        edges: from a node that is left to another, each with a shape.
    """

    root: Group
    stands_for: dict[int, list[int]]
    edges: list[GraphEdge]


def tree_of(facts: GraphFacts, apart: Callable[[str], bool] = lambda path: False) -> Tree:
    """The tree with equal consecutive blocks as one.

    Equal are blocks of the same operations with the same shapes and wiring, of which each is fed
    by the one before it, or all by the same nodes.

    Args:
        facts: what ran.
        apart: whether the module of a path is to be kept apart from its equals.
    """
    visible = [at for at, node in enumerate(facts.nodes) if _is_drawn(facts, at, node)]
    edges = _past_moves(facts, set(visible))
    root = _nested(facts, visible)
    merging = Merging(facts, edges, apart)
    merging.merge(root)
    kept = {at: merging.stands_for[at] for at in nodes_in(root)}
    return Tree(root, kept, merging.edges_between(kept))


def _is_drawn(facts: GraphFacts, at: int, node: GraphNode) -> bool:
    """Not what only moves values, nor a function of constants or one whose result is not used."""
    if node.kind in ("input", "output") or (node.kind == "module" and node.parameters):
        return True
    if node.moves or at not in facts.computed:
        return False
    return node.kind == "module" or at in facts.to_output


def _past_moves(facts: GraphFacts, visible: set[int]) -> list[GraphEdge]:
    """The edges between visible nodes, each with the shape that its source gave."""
    feeds: dict[int, dict[GraphEdge, None]] = {}  # by hidden node, what leads to it
    found: dict[GraphEdge, None] = {}
    for edge in sorted(facts.edges, key=lambda each: each.target):
        come = [edge] if edge.source in visible else list(feeds.get(edge.source, ()))
        into = found if edge.target in visible else feeds.setdefault(edge.target, {})
        into.update(dict.fromkeys(dataclasses.replace(one, target=edge.target) for one in come))
    return list(found)


def _nested(facts: GraphFacts, visible: Iterable[int]) -> Group:
    groups = {0: Group([0], [])}

    def group(scope: int) -> Group:
        if scope not in groups:
            groups[scope] = Group([scope], [])
            group(facts.scopes[scope].parent).children.append(groups[scope])
        return groups[scope]

    for at in visible:
        group(facts.nodes[at].scope).children.append(at)
    return groups[0]
