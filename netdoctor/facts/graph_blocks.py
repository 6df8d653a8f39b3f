"""Equal consecutive blocks as one, and the calls of one module as one. No torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from netdoctor.facts.graph import GraphEdge, GraphFacts

_LONGEST_PERIOD = 64
_LEAST_SAVED = 4  # rows, where no module call is repeated but single layers


@dataclasses.dataclass(slots=True)
class Group:
    """A module call with what is in it.

    Attributes:
        scopes: the module calls that it stands for, the drawn one first; of a run of several
            children that repeats, none.
        children: in the order in which they ran: groups, and nodes by their index.
        times: how many equal blocks it stands for.
        calls: how many calls of one module it stands for that do not depend on each other.
        last: of those, the child that ran last; for its name.
    """

    scopes: list[int]
    children: list[Group | int]
    times: int = 1
    calls: int = 1
    last: Group | int | None = None


def nodes_in(item: Group | int) -> Iterator[int]:
    """The nodes in a group, in their order."""
    if isinstance(item, int):
        yield item
    else:
        for child in item.children:
            yield from nodes_in(child)


def groups_in(item: Group | int) -> Iterator[Group]:
    """A group and the groups in it, outer ones first."""
    if isinstance(item, Group):
        yield item
        for child in item.children:
            yield from groups_in(child)


def reaches(leads: Mapping[Any, Iterable[Any]], start: Any, end: Any) -> bool:
    """Whether something leads from one to the other, over at least one step."""
    waiting, seen = [start], set()
    while waiting:
        for following in leads.get(waiting.pop(), ()):
            if following == end:
                return True
            if following not in seen:
                seen.add(following)
                waiting.append(following)
    return False


class Merging:
    """Finds equal blocks and lets the first of them stand for all."""

    def __init__(
        self, facts: GraphFacts, edges: Sequence[GraphEdge], apart: Callable[[str], bool]
    ) -> None:
        self.facts = facts
        self.apart = apart
        self.edges = edges
        self.sources: dict[int, list[int]] = {}
        self.targets: dict[int, list[int]] = {}
        for edge in edges:
            self.sources.setdefault(edge.target, []).append(edge.source)
            self.targets.setdefault(edge.source, []).append(edge.target)
        self.stands_for = {at: [at] for at in range(len(facts.nodes))}
        self.first = list(range(len(facts.nodes)))  # by node, the one that stands for it
        self.within: set[tuple[int, int]] = set()  # edges between and inside the other blocks
        self.kinds: dict[object, int] = {}
        self.signatures: dict[tuple[int, bool], int] = {}  # by group's identity

    def merge(self, group: Group) -> None:
        """Merges the equal blocks among a group's children, and then those inside them."""
        kinds = [self._kind(child) for child in group.children]
        children: list[Group | int] = []
        at = 0
        while at < len(kinds):
            period, times = self._repeats(group.children, kinds, at)
            blocks = [
                group.children[at + turn * period : at + (turn + 1) * period]
                for turn in range(times)
            ]
            children.append(self._one_of(blocks) if times > 1 else group.children[at])
            at += period * times
        group.children = self._calls_as_one(children)
        for child in group.children:
            if isinstance(child, Group):
                self.merge(child)

    def edges_between(self, kept: Iterable[int]) -> list[GraphEdge]:
        left = set(kept)
        moved = {
            dataclasses.replace(
                edge, source=self._standing(edge.source), target=self._standing(edge.target)
            ): None
            for edge in self.edges
            if (edge.source, edge.target) not in self.within
        }
        return [each for each in moved if each.source in left and each.target in left]

    def _standing(self, node: int) -> int:
        while self.first[node] != node:
            node = self.first[node]
        return node

    def _kind(self, item: Group | int, shapes: bool = True) -> int:
        """A number that is the same for items of the same operations, shapes and wiring."""
        if isinstance(item, int):
            return self._number(self._node_key(item, shapes))
        known = self.signatures.get((id(item), shapes))
        if known is None:
            scope = self.facts.scopes[item.scopes[0]]
            name = scope.name if self.apart(scope.path) else ""
            inside = tuple(self._kind(child, shapes) for child in item.children)
            key = (scope.kind, name, inside, self._wiring(list(nodes_in(item))))
            known = self.signatures[id(item), shapes] = self._number(key)
        return known

    def _node_key(self, at: int, shapes: bool) -> object:
        node = self.facts.nodes[at]
        name = node.name if node.kind in ("input", "output") or self.apart(node.path) else ""
        shape = node.shape if shapes else None
        return (node.kind, node.operation, shape, node.dtype, node.parameters, name)

    def _wiring(self, nodes: Sequence[int]) -> object:
        place = {at: number for number, at in enumerate(nodes)}
        return tuple(
            tuple(place.get(source, -1) for source in self.sources.get(at, ())) for at in nodes
        )

    def _number(self, key: object) -> int:
        return self.kinds.setdefault(key, len(self.kinds))

    def _repeats(
        self, children: Sequence[Group | int], kinds: Sequence[int], at: int
    ) -> tuple[int, int]:
        """How long the block is that begins here, and how often it comes; 1, 1 for once."""
        best = (1, 1)
        for period in range(1, min(_LONGEST_PERIOD, (len(kinds) - at) // 2) + 1):
            times = 1
            while kinds[at : at + period] == kinds[at + times * period : at + (times + 1) * period]:
                times += 1
            if times < 2 or times * period <= best[0] * best[1]:
                continue
            blocks = [
                [
                    node
                    for child in children[at + turn * period : at + (turn + 1) * period]
                    for node in nodes_in(child)
                ]
                for turn in range(times)
            ]
            times = self._linked(blocks)
            calls = any(isinstance(child, Group) for child in children[at : at + period])
            least = 1 if calls else _LEAST_SAVED
            if (times - 1) * period >= least and times * period > best[0] * best[1]:
                best = (period, times)
        return best

    def _linked(self, blocks: Sequence[Sequence[int]]) -> int:
        """How many of the blocks, from the first on, form a chain or stand side by side."""
        for times in range(len(blocks), 1, -1):
            if self._is_chain(blocks[:times]) or self._is_fan(blocks[:times]):
                return times
            if times < len(blocks) - _LONGEST_PERIOD:
                break
        return 1

    def _is_chain(self, blocks: Sequence[Sequence[int]]) -> bool:
        inside = {node for block in blocks for node in block}
        links = [self._link(before, block) for before, block in pairwise(blocks)]
        if not links[0][0] or any(link != links[0] for link in links):
            return False
        after = self._outside(self.targets, blocks[-1], inside)
        for block, following in pairwise(blocks):
            allowed = {*after, *following, *block}
            if any(t not in allowed for node in block for t in self.targets.get(node, ())):
                return False
        return True

    def _link(self, before: Sequence[int], block: Sequence[int]) -> tuple[object, object]:
        """Which node of the block before feeds which of this one, and what else does."""
        place = {at: number for number, at in enumerate(before)}
        own = set(block)
        pairs, others = [], []
        for number, at in enumerate(block):
            for source in self.sources.get(at, ()):
                if source in place:
                    pairs.append((place[source], number))
                elif source not in own:
                    others.append((source, number))
        return tuple(pairs), tuple(others)

    def _is_fan(self, blocks: Sequence[Sequence[int]]) -> bool:
        """Whether all have the same sources and targets, and none is another's."""
        inside = {node for block in blocks for node in block}
        first = None
        for block in blocks:
            own = set(block)
            ends = [
                [
                    (number, other)
                    for number, at in enumerate(block)
                    for other in ways.get(at, ())
                    if other not in own
                ]
                for ways in (self.sources, self.targets)
            ]
            if any(other in inside for end in ends for _, other in end):
                return False
            if first is not None and ends != first:
                return False
            first = ends
        return True

    @staticmethod
    def _outside(ways: dict[int, list[int]], block: Sequence[int], inside: set[int]) -> set[int]:
        return {other for at in block for other in ways.get(at, ()) if other not in inside}

    def _calls_as_one(self, children: list[Group | int]) -> list[Group | int]:
        """The children with the calls of one module as one that do not depend on each other."""
        by_module: dict[tuple[str, int], list[int]] = {}
        for at, child in enumerate(children):
            if isinstance(child, Group) and child.scopes and child.times == 1:
                path = self.facts.scopes[child.scopes[0]].path
                by_module.setdefault((path, self._kind(child, shapes=False)), []).append(at)
        calls = [found for found in by_module.values() if len(found) > 1]
        if not calls:
            return children
        leads = self._leads(children)
        gone: set[int] = set()
        for found in calls:
            if any(reaches(leads, one, other) for one in found for other in found if one < other):
                continue
            self._one_of([[children[at]] for at in found])
            first = children[found[0]]
            assert isinstance(first, Group)
            first.times, first.calls, first.last = 1, len(found), None
            gone.update(found[1:])
            for other in found[1:]:
                leads[found[0]] |= leads[other]
                leads = {at: _renamed(to, other, found[0]) for at, to in leads.items()}
        return [child for at, child in enumerate(children) if at not in gone]

    def _leads(self, children: Sequence[Group | int]) -> dict[int, set[int]]:
        """By child the children that take what it gives."""
        home = {node: at for at, child in enumerate(children) for node in nodes_in(child)}
        for node in range(len(self.first)):
            home.setdefault(node, home.get(self._standing(node), -1))
        leads: dict[int, set[int]] = {at: set() for at in range(len(children))}
        for edge in self.edges:
            ends = home[edge.source], home[edge.target]
            if ends[0] != ends[1] and -1 not in ends:
                leads[ends[0]].add(ends[1])
        return leads

    def _one_of(self, blocks: Sequence[Sequence[Group | int]]) -> Group | int:
        """The first block, standing for all."""
        nodes = [[node for child in block for node in nodes_in(child)] for block in blocks]
        groups = [[each for child in block for each in groups_in(child)] for block in blocks]
        place = {node: turn for turn, block in enumerate(nodes) for node in block}
        for at, turn in place.items():
            for target in self.targets.get(at, ()):
                if target in place and (turn or place[target]):  # the first block has its like
                    self.within.add((at, target))
        for turn in range(1, len(blocks)):
            for one, other in zip(nodes[0], nodes[turn], strict=True):
                self.stands_for[one] += self.stands_for[other]
                self.first[other] = one
            for a, b in zip(groups[0], groups[turn], strict=True):
                a.scopes += b.scopes
        only = blocks[0][0]
        if len(blocks[0]) > 1:
            return Group([], list(blocks[0]), len(blocks), last=blocks[-1][-1])
        if isinstance(only, Group):
            only.times, only.last = len(blocks), blocks[-1][0]
        return only


def _renamed(names: set[int], old: int, new: int) -> set[int]:
    return (names - {old}) | {new} if old in names else names
