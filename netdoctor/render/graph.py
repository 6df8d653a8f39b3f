"""The map of a network as text for other programs: Graphviz's dot, and Mermaid."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from netdoctor.facts.graph import GraphFacts, Shape
from netdoctor.facts.graph_folding import folded
from netdoctor.facts.graph_health import Health, State, worst
from netdoctor.facts.graph_map import Box, Row

_FILLS: Mapping[State, tuple[str, str, str]] = {  # fill, edge, style of the edge
    "healthy": ("#ddf0e1", "#7fae8b", "solid"),
    "info": ("#dbe9fb", "#6d9bd8", "solid"),
    "warning": ("#fdebc3", "#cf8f12", "solid"),
    "error": ("#fbd5d3", "#c3322c", "solid"),
    "unknown": ("#f1f2f4", "#8d97a2", "dashed"),
}


def dot(
    facts: GraphFacts,
    health: Mapping[str, Health],
    *,
    depth: int | None = None,
    expand: Sequence[str] = (),
) -> str:
    """The map in Graphviz's language; modules are clusters.

    Args:
        facts: the network as it ran.
        health: by name of nodes and scopes; what is missing in it has no colour.
        depth: opens modules down to this level; None for as deep as it stays readable.
        expand: names or shell patterns of modules to open in any case.
    """
    drawn = folded(facts, depth=depth, expand=expand)
    lines = [
        f"digraph {_dot(facts.model)} {{",
        "  rankdir=TB; compound=true; fontname=\"sans-serif\"; nodesep=0.25; ranksep=0.35;",
        "  node [shape=box, style=\"rounded,filled\", fillcolor=\"#ffffff\", "
        "fontname=\"sans-serif\", fontsize=11];",
        "  edge [fontname=\"sans-serif\", fontsize=9, color=\"#66727f\"];",
    ]  # fmt: skip
    for item in drawn.root.items:
        lines += _dot_item(item, facts, health, "  ")
    for link in drawn.links:
        label = _dot(", ".join(map(_shape, link.shapes)))
        lines.append(f"  {_dot(link.source)} -> {_dot(link.target)} [label={label}];")
    return "\n".join([*lines, "}", ""])


def mermaid(
    facts: GraphFacts,
    health: Mapping[str, Health],
    *,
    depth: int | None = None,
    expand: Sequence[str] = (),
) -> str:
    """The map as a Mermaid flowchart; modules are subgraphs. Takes what `dot` takes."""
    drawn = folded(facts, depth=depth, expand=expand)
    lines = ["flowchart TB"]
    for item in drawn.root.items:
        lines += _mermaid_item(item, "  ")
    for link in drawn.links:
        label = _mermaid(", ".join(map(_shape, link.shapes)))
        lines.append(f"  {link.source} -->|{label}| {link.target}")
    states: dict[State, list[str]] = {}
    for row in drawn.rows():
        state = state_of(row, facts, health)
        if state is not None:
            states.setdefault(state, []).append(row.key)
    for state, keys in states.items():
        fill, edge, style = _FILLS[state]
        dashes = ",stroke-dasharray:4 3" if style == "dashed" else ""
        lines.append(f"  classDef {state} fill:{fill},stroke:{edge},color:#1f2933{dashes}")
        lines.append(f"  class {','.join(keys)} {state}")
    return "\n".join([*lines, ""])


def state_of(row: Row, facts: GraphFacts, health: Mapping[str, Health]) -> State | None:
    """The worst of all that a row stands for; None where nothing was judged."""
    names = [
        *(facts.nodes[at].name for at in row.nodes),
        *(facts.scopes[at].name for at in row.scopes),
    ]
    states = [health[name].state for name in names if name in health]
    if not states:
        return None
    sick = [each for each in states if each not in ("healthy", "unknown")]
    return worst(sick) if sick else ("healthy" if "healthy" in states else "unknown")


def _dot_item(
    item: Row | Box, facts: GraphFacts, health: Mapping[str, Health], indent: str
) -> Iterator[str]:
    if isinstance(item, Box):
        yield f"{indent}subgraph {_dot(f'cluster_{item.key}')} {{"
        yield f"{indent}  label={_dot(_box_label(item))}; labeljust=l;"
        yield f'{indent}  style=rounded; color="#9aa6b2";'
        for each in item.items:
            yield from _dot_item(each, facts, health, f"{indent}  ")
        yield f"{indent}}}"
        return
    look = [f"label={_dot(chr(10).join(_row_lines(item)))}"]
    state = state_of(item, facts, health)
    if item.role in ("input", "output"):
        look.append("shape=oval")
    elif state is not None:
        fill, edge, style = _FILLS[state]
        look.append(f'fillcolor="{fill}", color="{edge}", style="rounded,filled,{style}"')
    yield f"{indent}{_dot(item.key)} [{', '.join(look)}];"


def _mermaid_item(item: Row | Box, indent: str) -> Iterator[str]:
    if isinstance(item, Box):
        yield f"{indent}subgraph {item.key} [{_mermaid(_box_label(item))}]"
        for each in item.items:
            yield from _mermaid_item(each, f"{indent}  ")
        yield f"{indent}end"
        return
    opening, closing = ("([", "])") if item.role in ("input", "output") else ("[", "]")
    label = _mermaid("\n".join(_row_lines(item)))
    yield f"{indent}{item.key}{opening}{label}{closing}"


def _row_lines(row: Row) -> list[str]:
    lines = [row.title]
    if row.kind != row.title and row.role not in ("input", "output"):
        lines.append(row.kind)
    if row.times > 1:
        lines.append(f"×{row.times} equal blocks")
    elif row.calls > 1:
        lines.append(f"called {row.calls}×")
    return lines


def _box_label(box: Box) -> str:
    parts = [box.title, box.kind, f"×{box.times} equal blocks" if box.times > 1 else ""]
    parts.append(f"called {box.calls}×" if box.calls > 1 else "")
    return " ".join(dict.fromkeys(part for part in parts if part))


def _shape(shape: Shape) -> str:
    return "×".join(map(str, shape)) or "scalar"


def _dot(text: str) -> str:
    """A quoted identifier or label of dot; nothing in it is markup or an escape."""
    return '"' + _escaped(text, {"\\": "\\\\", '"': '\\"', "\n": "\\n"}) + '"'


def _mermaid(text: str) -> str:
    """A quoted label; what could be markup is written as Mermaid's entity codes."""
    named = {"\n": "<br/>", '"': "#quot;", "&": "#amp;", "<": "#lt;", ">": "#gt;"}
    codes = {char: f"#{ord(char)};" for char in "#`\\*_~|[](){};$%@"}
    return '"' + _escaped(text, {**codes, **named}) + '"'


def _escaped(text: str, special: Mapping[str, str]) -> str:
    return "".join(special.get(char, char if char.isprintable() else "�") for char in text)
