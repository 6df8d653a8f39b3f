"""Links between the rows of a map, and rows that are one. No torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

from netdoctor.facts.graph import GraphEdge, GraphFacts, Shape
from netdoctor.facts.graph_blocks import reaches
from netdoctor.facts.graph_map import Box, Link, Row, rows_in


def links_of(edges: Sequence[GraphEdge], row_of: Mapping[int, str]) -> tuple[Link, ...]:
    return links_between((row_of[e.source], row_of[e.target], e.shape) for e in edges)


def links_between(parts: Iterable[tuple[str, str, Shape]]) -> tuple[Link, ...]:
    shapes: dict[tuple[str, str], dict[Shape, None]] = {}
    for source, target, shape in parts:
        if source != target:
            shapes.setdefault((source, target), {})[shape] = None
    return tuple(Link(*pair, tuple(found)) for pair, found in shapes.items())


def rebuilt(box: Box, new_keys: Mapping[str, str], goes_on: Mapping[str, Shape]) -> Box:
    """The box with rows that are one as one, and with the shape that goes on from each."""
    merged: dict[str, list[Row]] = {}
    for item in box.items:
        if isinstance(item, Row):
            merged.setdefault(new_keys.get(item.key, item.key), []).append(item)
    items: list[Row | Box] = []
    for item in box.items:
        if isinstance(item, Box):
            items.append(rebuilt(item, new_keys, goes_on))
        elif item.key in merged:
            rows = merged[item.key]
            items.append(
                dataclasses.replace(
                    item,
                    nodes=tuple(node for row in rows for node in row.nodes),
                    scopes=tuple(scope for row in rows for scope in row.scopes),
                    shape=goes_on.get(item.key, item.shape),
                )
            )
    return dataclasses.replace(box, items=tuple(items))


def shared_rows(facts: GraphFacts, box: Box, links: Sequence[Link]) -> dict[str, str]:
    """By row that another one stands for, that one: calls of one module with weights.

    Only rows of the same box, and only where none of them depends on another: else there would
    be a cycle.
    """
    found: dict[str, str] = {}
    for item in box.items:
        if isinstance(item, Box):
            found.update(shared_rows(facts, item, links))
    home = {row.key: item.key for item in box.items for row in rows_in(item)}
    leads: dict[str, set[str]] = {}
    for link in links:
        ends = home.get(link.source), home.get(link.target)
        if None not in ends and ends[0] != ends[1]:
            leads.setdefault(str(ends[0]), set()).add(str(ends[1]))
    by_path: dict[tuple[str, str], str] = {}
    for item in box.items:
        if isinstance(item, Box) or not item.parameters or item.role not in ("layer", "folded"):
            continue
        name = (_path_of(facts, item), item.kind)
        first = by_path.setdefault(name, item.key)
        if first == item.key or reaches(leads, first, item.key) or reaches(leads, item.key, first):
            continue
        found[item.key] = first
        leads.setdefault(first, set()).update(leads.pop(item.key, ()))
        for targets in leads.values():
            if item.key in targets:
                targets.remove(item.key)
                targets.add(first)
    return found


def is_acyclic(box: Box, links: Sequence[Link]) -> bool:
    """Whether nothing in a box leads back to itself, nor in the boxes inside."""
    home = {row.key: item.key for item in box.items for row in rows_in(item)}
    leads: dict[str, set[str]] = {}
    for link in links:
        ends = home.get(link.source), home.get(link.target)
        if None not in ends and ends[0] != ends[1]:
            leads.setdefault(str(ends[0]), set()).add(str(ends[1]))
    return all(is_acyclic(item, links) for item in box.items if isinstance(item, Box)) and not any(
        reaches(leads, each, each) for each in leads
    )


def _path_of(facts: GraphFacts, row: Row) -> str:
    return facts.scopes[row.scopes[0]].path if row.scopes else facts.nodes[row.nodes[0]].path
