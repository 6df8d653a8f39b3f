"""Folds the graph to what can be read: modules down to a level, runs of functions as one."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from itertools import groupby

from netdoctor.facts.graph import GraphFacts, GraphNode, GraphScope
from netdoctor.facts.graph_blocks import Group, groups_in, nodes_in
from netdoctor.facts.graph_links import is_acyclic, links_between, links_of, rebuilt, shared_rows
from netdoctor.facts.graph_map import Box, Map, Role, Row
from netdoctor.facts.graph_tree import Tree, tree_of

READABLE = 90
"""Rows and boxes that fit on a page."""
_LINKS_A_ROW = 2
_MANY = 40  # functions called in one forward, from which runs of them are folded
_RUN = 6


def folded(facts: GraphFacts, *, depth: int | None = None, expand: Sequence[str] = ()) -> Map:
    """The map of a graph.

    Left out is what only moves values (views, indices, casts, a Dropout that is off) and what is
    computed from no input. Equal consecutive blocks are one, and so are calls of one layer with
    weights that do not depend on each other.

    Args:
        facts: what ran.
        depth: opens modules down to this level, 1 for the model's own children; None for as deep
            as it stays readable.
        expand: names or shell patterns of modules to open whatever their level.
    """
    tree = tree_of(facts, lambda path: _matches(path, expand))
    deepest = max(_levels(tree.root), default=1)
    if depth is not None:
        return _Folding(facts, tree, min(depth, deepest), deepest, expand).map()
    best = None
    for level in range(1, deepest + 1):
        candidate = _Folding(facts, tree, level, deepest, expand, short=True).map()
        if not is_acyclic(candidate.root, candidate.links):
            candidate = _Folding(facts, tree, level, deepest, expand).map()
        if best is not None and not _is_readable(candidate):
            break
        best = candidate
    assert best is not None
    return best


def _is_readable(candidate: Map) -> bool:
    size = sum(1 for _ in candidate.rows()) + _boxes(candidate.root)
    return size <= READABLE and len(candidate.links) <= _LINKS_A_ROW * size


def _boxes(box: Box) -> int:
    return 1 + sum(_boxes(each) for each in box.items if isinstance(each, Box))


def _levels(group: Group, level: int = 1) -> Iterator[int]:
    yield level
    for child in group.children:
        if isinstance(child, Group):
            yield from _levels(child, level + bool(child.scopes))


def _matches(path: str, patterns: Sequence[str]) -> bool:
    return any(path == each or fnmatchcase(path, each) for each in patterns)


class _Folding:
    """Makes rows of what is deeper than a level."""

    def __init__(
        self, facts: GraphFacts, tree: Tree, depth: int, deepest: int, expand: Sequence[str],
        short: bool = False,
    ) -> None:  # fmt: skip
        self.facts, self.tree, self.short = facts, tree, short
        self.depth, self.deepest, self.expand = depth, deepest, expand
        self.row_of: dict[int, str] = {}

    def map(self) -> Map:
        scope = self.facts.scopes[0]
        root = Box("s0", self.facts.model, scope.kind, self._items(self.tree.root, "", 1, 1), (0,))
        links = links_of(self.tree.edges, self.row_of)
        new_keys = shared_rows(self.facts, root, links)
        links = links_between(
            (new_keys.get(each.source, each.source), new_keys.get(each.target, each.target), shape)
             for each in links for shape in each.shapes
        )  # fmt: skip
        goes_on = {each.source: each.shapes[0] for each in reversed(links)}
        return Map(rebuilt(root, new_keys, goes_on), links, self.depth, self.deepest)

    def _items(self, group: Group, prefix: str, level: int, around: int) -> tuple[Row | Box, ...]:
        """A group's children; `around` is how often the block comes that they are in."""
        items: list[Row | Box] = []
        for is_run, children in self._runs(group):
            if is_run:
                items.append(self._functions([at for at in children if isinstance(at, int)]))
                continue
            for child in children:
                if isinstance(child, int):
                    items.append(self._leaf(child, prefix, around))
                else:
                    items.append(self._opened(child, prefix, level, around))
        return tuple(items)

    def _runs(self, group: Group) -> list[tuple[bool, list[Group | int]]]:
        """The children, and where there are many functions those that follow each other apart."""
        functions = [each for each in group.children if self._calls_function(each)]
        if not self.short or len(functions) <= _MANY:
            return [(False, group.children)]
        runs = [
            (is_run, list(each)) for is_run, each in groupby(group.children, self._calls_function)
        ]
        return [(is_run and len(each) >= _RUN, each) for is_run, each in runs]

    def _calls_function(self, child: Group | int) -> bool:
        return isinstance(child, int) and self.facts.nodes[child].kind == "function"

    def _functions(self, nodes: Sequence[int]) -> Row:
        """One row for functions that were called one after another in one forward."""
        members = [each for at in nodes for each in self.tree.stands_for[at]]
        kinds = Counter(self.facts.nodes[at].operation for at in nodes)
        key = f"f{nodes[0]}"
        self.row_of.update(dict.fromkeys(nodes, key))
        named = ", ".join(name for name, _ in kinds.most_common(3))
        return Row(
            key, f"{len(nodes)} functions", named + (", …" if len(kinds) > 3 else ""), "folded",
            tuple(members), shape=self.facts.nodes[nodes[-1]].shape,
        )  # fmt: skip

    def _opened(self, group: Group, prefix: str, level: int, around: int) -> Row | Box:
        times = group.times * group.calls * around
        if not group.scopes:  # a run of children that repeats
            names = self._title(group.children[0], prefix), self._title(group.last, prefix)
            named = not self._calls_function(group.children[0])
            title = _span(*names) if named else f"{len(group.children)} steps"
            items = self._items(group, prefix, level, times)
            return Box(self._key(group), title, "", items, (), group.times)
        nodes = list(nodes_in(group))
        wanted = self._is_wanted(group)
        if len(nodes) == 1 and not wanted:
            return self._single(group, nodes[0], prefix, around)
        if (level >= self.depth or self._is_function(group)) and not wanted:
            return self._fold(group, prefix)
        scope = self.facts.scopes[group.scopes[0]]
        items = self._items(group, scope.path, level + 1, times)
        title = self._range(group, prefix)
        return Box(
            self._key(group),
            title,
            scope.kind,
            items,
            tuple(group.scopes),
            group.times,
            group.calls,
        )

    def _is_function(self, group: Group) -> bool:
        """Whether a module has neither weights nor modules inside, as an activation written out."""
        has_weights = self.facts.scopes[group.scopes[0]].parameters > 0
        return not has_weights and all(isinstance(child, int) for child in group.children)

    def _is_wanted(self, group: Group) -> bool:
        scopes = (self.facts.scopes[at] for each in groups_in(group) for at in each.scopes)
        return bool(self.expand) and any(_matches(each.path, self.expand) for each in scopes)

    def _leaf(self, at: int, prefix: str, around: int) -> Row:
        node = self.facts.nodes[at]
        members = self.tree.stands_for[at]
        role: Role = "layer" if node.kind == "module" else node.kind
        title, last = self._title(at, prefix), self._title(members[-1], prefix)
        times = len(members) // around
        paths = {self.facts.nodes[each].path for each in members}
        is_shared = node.kind == "module" and node.parameters > 0 and len(paths) == 1
        self.row_of[at] = f"n{at}"
        return Row(
            key=f"n{at}",
            title=_span(title, last) if times > 1 else title,
            kind=node.operation,
            role=role,
            nodes=tuple(members),
            times=times,
            calls=max(self.facts.calls[node.path] // around, 1) if is_shared else 1,
            shape=node.shape,
            parameters=self._parameters(self.facts.nodes[each] for each in members),
        )

    def _single(self, group: Group, at: int, prefix: str, around: int) -> Row:
        """A module in which one call ran: that call, named after the module if a function."""
        row = self._leaf(at, prefix, around)
        if self.facts.nodes[at].kind != "module":
            kind = self.facts.scopes[group.scopes[0]].kind
            row = dataclasses.replace(
                row, title=self._range(group, prefix), kind=kind, role="layer"
            )
        return dataclasses.replace(row, scopes=tuple(group.scopes))

    def _fold(self, group: Group, prefix: str) -> Row:
        nodes = list(nodes_in(group))
        key = self._key(group)
        members = [each for at in nodes for each in self.tree.stands_for[at]]
        for at in nodes:
            self.row_of[at] = key
        scopes = tuple(at for each in groups_in(group) for at in each.scopes)
        first = self.facts.scopes[group.scopes[0]]
        return Row(
            key, self._range(group, prefix), first.kind, "folded", tuple(members), scopes,
            group.times, self._calls(group), self.facts.nodes[nodes[-1]].shape,
            self._parameters(self.facts.scopes[each] for each in group.scopes),
        )  # fmt: skip

    def _calls(self, group: Group) -> int:
        path = self.facts.scopes[group.scopes[0]].path
        same = [scope for scope in self.facts.scopes if scope.path == path]
        return len(same) if len({self.facts.scopes[at].path for at in group.scopes}) == 1 else 1

    def _parameters(self, calls: Iterable[GraphNode | GraphScope]) -> int:
        """Of several calls of one module its weights count once."""
        return sum({each.path: each.parameters for each in calls}.values())

    def _key(self, group: Group) -> str:
        return f"s{group.scopes[0]}" if group.scopes else f"r{next(nodes_in(group))}"

    def _range(self, group: Group, prefix: str) -> str:
        """`1–5` for equal blocks of those names."""
        first = self._title(group, prefix)
        return first if group.last is None else _span(first, self._title(group.last, prefix))

    def _title(self, item: Group | int | None, prefix: str) -> str:
        if isinstance(item, Group):
            if not item.scopes:
                return self._title(item.children[0], prefix)
            scope = self.facts.scopes[item.scopes[0]]
            return _below(scope.path, prefix) or scope.kind
        if item is None:
            return ""
        node = self.facts.nodes[item]
        if node.kind == "module":
            return _below(node.path, prefix) or node.operation
        return node.name if node.kind in ("input", "output") else node.operation


def _below(path: str, prefix: str) -> str:
    return path.removeprefix(f"{prefix}.") if prefix else path


def _span(first: str, last: str) -> str:
    """`blocks.1–5` for the names of the first and the last of several."""
    if first == last:
        return first
    common = next((at for at, (a, b) in enumerate(zip(first, last)) if a != b), 0)  # noqa: B905
    while common and first[common - 1].isdigit():
        common -= 1
    rest = last[common:]
    return f"{first}–{rest if rest.isdigit() else last}"
