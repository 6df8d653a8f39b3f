"""YAML as settings need it: plain values, each key once, `1e-3` a number, and no aliases.

An alias can make a short text an endless value; nothing that settings say needs one.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

Place = tuple[str, ...]
"""Where a value stands: the keys that lead to it."""


@dataclasses.dataclass(frozen=True, slots=True)
class Parsed:
    """What a text holds, and the line, counted from 1, in which each of its keys stands."""

    content: Any
    lines: Mapping[Place, int]


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader without aliases and repeated keys, and with YAML 1.2's numbers."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            problem = "anchors and aliases (&name, *name) are not allowed here"
            raise yaml.composer.ComposerError(None, None, problem, mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if (key.tag, str(key.value)) in seen:
                problem = f"the key {key.value!r} stands here for the second time"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            seen.add((key.tag, str(key.value)))
        return super().construct_mapping(node, deep)


# YAML 1.1, which PyYAML reads, takes 1e-3 for a text.
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)[eE][-+]?\d+$"),
    list("-+0123456789."),
)


def parse(text: str) -> Parsed:
    """The value of the only document in a text; None for an empty one.

    Raises:
        yaml.YAMLError: it is not YAML, or has aliases or repeated keys.
        RecursionError: it is nested too deeply.
        ValueError: a date or number in it that there cannot be.
    """
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return Parsed(None, {})
        return Parsed(loader.construct_document(node), dict(_lines(node, ())))
    finally:
        loader.dispose()


def _lines(node: yaml.Node, place: Place) -> Iterator[tuple[Place, int]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            below = (*place, str(key.value))
            yield below, key.start_mark.line + 1
            yield from _lines(value, below)
