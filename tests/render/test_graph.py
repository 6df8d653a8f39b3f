"""dot and Mermaid: every row and link, nothing of a name is syntax."""

from __future__ import annotations

import re

import pytest

from netdoctor.facts.graph_folding import folded
from netdoctor.facts.graph_health import health
from netdoctor.render.graph import dot, mermaid
from netdoctor.report import Finding, Severity
from tests.made_up_graph import Sketch, residual_stack

HOSTILE = 'a"]; } end\nsubgraph x\\" %%{init}%% <b>&#35;`|\x07'
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')


def sketch(name: str) -> Sketch:
    made = Sketch(name)
    scope = made.scope(name, name)
    at = made.layer(f"{name}.a", made.input(f"input {name}"), scope=scope, kind=name)
    made.output(made.layer(f"{name}.b", at, scope=scope))
    return made


def without_strings(text: str) -> str:
    return _STRING.sub('""', text)


def test_dot_has_every_row_and_link() -> None:
    facts = residual_stack(4).facts()
    drawn, text = folded(facts), dot(facts, {})
    for row in drawn.rows():
        assert f'"{row.key}" [label="{row.title}' in text
    for link in drawn.links:
        assert f'"{link.source}" -> "{link.target}" [label="2×4"];' in text
    assert text.count("subgraph") == 2
    assert "×4 equal blocks" in text


@pytest.mark.parametrize("name", [HOSTILE, "plain"])
def test_dot_is_the_same_whatever_the_names_say(name: str) -> None:
    text = without_strings(dot(sketch(name).facts(), {}))
    assert text == without_strings(dot(sketch("other").facts(), {}))
    assert text.count("{") == text.count("}")


@pytest.mark.parametrize("name", [HOSTILE, "plain"])
def test_mermaid_is_the_same_whatever_the_names_say(name: str) -> None:
    def bare(text: str) -> str:
        return re.sub(r'"[^"]*"', '""', text)

    text = mermaid(sketch(name).facts(), {})
    assert bare(text) == bare(mermaid(sketch("other").facts(), {}))
    labels = re.findall(r'"([^"]*)"', text)
    assert not [label for label in labels if re.search(r"[\\`{}\[\]|]|<(?!br/>)", label)]


def test_mermaid_has_every_row_and_link() -> None:
    facts = residual_stack(4).facts()
    drawn, text = folded(facts), mermaid(facts, {})
    lines = [line.strip() for line in text.splitlines()]
    assert lines[0] == "flowchart TB"
    for row in drawn.rows():
        assert any(re.match(rf"{row.key}[(\[]", line) for line in lines)
    for link in drawn.links:
        assert f'{link.source} -->|"2×4"| {link.target}' in lines
    assert sum(line.startswith("subgraph ") for line in lines) == lines.count("end") == 2


def test_both_are_coloured_by_health() -> None:
    facts = residual_stack(4).facts()
    sick = Finding("ACT001", "dead-layer", Severity.ERROR, "layer.2.a#1", "dead", {}, "remedy")
    found = health([sick], facts)
    key = next(row.key for row in folded(facts).rows() if row.title == "a")
    line = next(
        line for line in dot(facts, found).splitlines() if line.strip().startswith(f'"{key}" [')
    )
    assert "#fbd5d3" in line
    assert f"class {key} error" in mermaid(facts, found)
    assert "classDef" not in mermaid(facts, {})
