"""The map as SVG: well-formed, escaped, coloured, nothing over another thing."""

from __future__ import annotations

import re
import time
from itertools import combinations
from xml.dom import minidom

import pytest

from netdoctor.facts.graph import GraphFacts
from netdoctor.facts.graph_folding import folded
from netdoctor.facts.graph_health import health
from netdoctor.facts.graph_map import Box
from netdoctor.plots.graph_cards import Look, looks_of, shortened, text_width
from netdoctor.plots.graph_layers import GAP, place
from netdoctor.plots.graph_layout import plan
from netdoctor.plots.graph_plan import Placed, Plan
from netdoctor.plots.graph_ranks import Flow, Vertex, ranks
from netdoctor.plots.graph_svg import svg
from netdoctor.report import Finding, NotExamined, Severity
from tests.made_up_graph import Sketch, residual_stack

HOSTILE = "<img src=x onerror=alert(1)>\"']]></svg>&amp;\x07\u202e\ud800[bold]"


def finding(subject: str, severity: Severity = Severity.ERROR) -> Finding:
    return Finding("ACT001", "dead-layer", severity, subject, "it is dead", {}, "remedy")


def rects(text: str) -> list[str]:
    """The class of each row's rectangle, without the legend's."""
    document = minidom.parseString(text)
    groups = [g for g in document.getElementsByTagName("g") if g.getElementsByTagName("title")]
    found = [r.getAttribute("class") for g in groups for r in g.getElementsByTagName("rect")]
    return [each for each in found if each.startswith("nd-row")]


def titles(text: str) -> list[str]:
    nodes = minidom.parseString(text).getElementsByTagName("title")
    return ["".join(child.data for child in node.childNodes) for node in nodes]


def test_it_is_well_formed_and_loads_nothing() -> None:
    text = svg(residual_stack(3).facts(), {})
    root = minidom.parseString(text).documentElement
    assert root.tagName == "svg"
    assert root.getAttribute("role") == "img"
    assert root.getElementsByTagName("desc")
    assert "script" not in text
    assert set(re.findall(r"https?://[^\"]*", text)) == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"url\(|@import|href", text)
    assert "prefers-color-scheme: dark" in text


def test_names_are_text() -> None:
    sketch = Sketch(HOSTILE)
    scope = sketch.scope(HOSTILE, HOSTILE)
    at = sketch.layer(f"{HOSTILE}.{HOSTILE}", sketch.input(HOSTILE), scope=scope, kind=HOSTILE)
    sketch.output(sketch.layer(f"{HOSTILE}.b", at, scope=scope), name=f"output {HOSTILE}")
    sketch.not_examined.append(NotExamined(HOSTILE, "never called in these forward passes"))
    facts = sketch.facts()
    sick = Finding("ACT001", HOSTILE, Severity.ERROR, f"{HOSTILE}#1", HOSTILE, {}, HOSTILE)
    text = svg(facts, health([sick], facts), remarks=[HOSTILE])
    text.encode("utf-8")
    document = minidom.parseString(text)
    assert not document.getElementsByTagName("img")
    assert len(document.getElementsByTagName("svg")) == 1
    assert any("<img src=x onerror=alert(1)>" in each for each in titles(text))


def test_colours_follow_the_findings() -> None:
    facts = residual_stack(1).facts()
    found = [finding("layer.0.a#1"), finding("stem.weight", Severity.WARNING)]
    text = svg(facts, health(found, facts, [NotExamined("head", "never")]))
    states = [each.split()[1] for each in rects(text)]
    # stem, a, b, add, head
    assert states == ["nd-warning", "nd-error", "nd-healthy", "nd-healthy", "nd-unknown"]
    assert text.count(">dead-layer<") == 2
    assert any("it is dead" in each for each in titles(text))


def test_without_health_nothing_is_green_and_there_is_no_legend() -> None:
    text = svg(residual_stack(1).facts(), {})
    assert {each.split()[1] for each in rects(text)} == {"nd-plain"}
    assert "not examined" not in text


def test_a_folded_row_shows_the_worst_inside_and_names_it() -> None:
    facts = residual_stack(4).facts()
    found = [finding("layer.2.b#1"), finding("layer.1/add#1", Severity.INFO)]
    text = svg(facts, health(found, facts), depth=1)
    assert "dead-layer in layer.2.b#1 and 1 more" in text
    assert sum("nd-error" in each for each in rects(text)) == 1


def test_equal_blocks_show_the_worst_of_all_of_them() -> None:
    facts = residual_stack(4).facts()
    text = svg(facts, health([finding("layer.3.b#1")], facts))
    assert "×4 equal" in text
    assert "dead-layer in layer.3.b#1" in text


def test_a_box_shows_only_what_is_about_itself() -> None:
    facts = residual_stack(2, different=[1]).facts()
    assert "nd-edge-error" not in svg(facts, health([finding("layer.0.a#1")], facts)).split("<g")[1]
    drawn = svg(facts, health([finding("layer.0")], facts))
    assert 'nd-edge-error" x=' in drawn


def placed(facts: GraphFacts) -> Plan:
    drawn = folded(facts)
    boxes: list[Box] = []

    def collect(box: Box) -> None:
        boxes.append(box)
        for each in box.items:
            if isinstance(each, Box):
                collect(each)

    collect(drawn.root)
    return plan(drawn, looks_of(facts, list(drawn.rows()), boxes, {}))


def overlap(a: Placed, b: Placed) -> bool:
    return (
        a.x < b.x + b.width
        and b.x < a.x + a.width
        and a.y < b.y + b.height
        and b.y < a.y + a.height
    )


def inside(a: Placed, b: Placed) -> bool:
    return (
        b.x <= a.x and a.x + a.width <= b.x + b.width
        and b.y <= a.y and a.y + a.height <= b.y + b.height
    )  # fmt: skip


def dense(layers: int) -> GraphFacts:
    """Every layer is fed by all before it."""
    sketch = Sketch()
    given = [sketch.input()]
    for number in range(layers):
        joined = sketch.call("cat", *given, shape=(2, number + 1))
        given.append(sketch.layer(f"layers.{number}", joined, shape=(2, 2 * number + 3)))
    sketch.output(given[-1])
    return sketch.facts()


@pytest.mark.parametrize(
    "facts",
    [residual_stack(5, different=[0, 2, 4]).facts(), residual_stack(30).facts(), dense(9)],
    ids=["residual", "repeated", "dense"],
)
def test_nothing_lies_over_another_thing(facts: GraphFacts) -> None:
    result = placed(facts)
    for one, other in combinations(result.placed, 2):
        if overlap(one, other):
            assert isinstance(one.what, Box) or isinstance(other.what, Box)
            assert inside(one, other) or inside(other, one)
    assert all(each.x >= 0 and each.x + each.width <= result.width + 1 for each in result.placed)
    cards = [each for each in result.placed if not isinstance(each.what, Box)]
    for wire in result.wires:
        for (x, top), (x_below, bottom) in zip(wire.points, wire.points[1:], strict=False):
            if not wire.square and x == x_below:
                assert not any(
                    c.x < x < c.x + c.width and c.y < (top + bottom) / 2 < c.y + c.height
                    for c in cards
                )


def test_lines_go_down() -> None:
    for wire in placed(residual_stack(5, different=[0, 2]).facts()).wires:
        if not wire.square:
            heights = [y for _, y in wire.points]
            assert heights == sorted(heights)


def test_what_is_high_is_broken_into_columns() -> None:
    sketch = Sketch()
    at = sketch.input()
    for number in range(40):
        scope = sketch.scope(f"blocks.{number}")
        given = at
        at = sketch.layer(f"blocks.{number}.a", given, scope=scope, shape=(2, number + 1))
        at = sketch.call("add", at, given, scope=scope, shape=(2, number + 1))
    sketch.output(at)
    drawn = folded(sketch.facts(), depth=2)
    looks = {row.key: Look() for row in drawn.rows()}
    looks |= {box.key: Look() for box in drawn.root.items if isinstance(box, Box)} | {"s0": Look()}
    result = plan(drawn, looks)
    assert sum(wire.square for wire in result.wires) >= 2
    assert 0.5 < result.width / result.height < 3


def test_a_thousand_different_layers_take_seconds() -> None:
    sketch = Sketch()
    at = sketch.input()
    kept = at
    for number in range(1000):
        at = sketch.layer(f"layers.{number}", at, shape=(2, number + 1))
        if number % 10 == 5:
            at, kept = sketch.call("add", at, kept, shape=(2, number + 1)), at
    sketch.output(at)
    began = time.perf_counter()
    minidom.parseString(svg(sketch.facts(), {}))
    assert time.perf_counter() - began < 20


def test_the_layer_of_a_vertex_is_below_all_that_lead_to_it() -> None:
    vertices = [Vertex(10, 10)] * 4
    flows = [Flow(0, (1, 3)), Flow(1, (2,)), Flow(2, (3,))]
    assert ranks(vertices, flows) == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="cycle"):
        ranks(vertices, [*flows, Flow(3, (0,))])


def test_a_main_line_is_straight_and_a_skip_goes_past() -> None:
    flows = [Flow(0, (1, 3)), Flow(1, (2,)), Flow(2, (3,))]
    layers = place([Vertex(60, 20)] * 4, flows)
    assert max(layers.centres) - min(layers.centres) < 3
    assert [round(top) for top in layers.tops] == [round(n * (20 + GAP)) for n in range(4)]
    beside = [x for points in layers.lines[0] for x, y in points if 50 < y < 120]
    assert beside
    assert all(abs(x - layers.centres[1]) > 30 for x in beside)


def test_a_skip_past_boxes_of_several_widths_is_straight() -> None:
    chain = [Flow(n, (n + 1,)) for n in range(1, 5)]
    vertices = [Vertex(width, 20) for width in (60, 140, 40, 100, 60, 80)]
    layers = place(vertices, [Flow(0, (1, 5)), *chain])
    beside = {round(x) for part in layers.lines[0] for x, y in part if 50 < y < 230 and x > 100}
    assert len(beside) == 1


def test_barycentres_undo_crossings() -> None:
    vertices = [Vertex(20, 10)] * 6
    layers = place(vertices, [Flow(0, (5,)), Flow(1, (4,)), Flow(2, (3,))])
    upper = sorted(range(3), key=lambda at: layers.centres[at])
    lower = [{0: 5, 1: 4, 2: 3}[at] for at in upper]
    assert lower == sorted(lower, key=lambda at: layers.centres[at])


def test_long_names_are_cut_in_the_middle_and_control_characters_shown() -> None:
    assert len(shortened("a" * 500)) <= 44
    assert shortened("a\nb\x1b") == "a�b�"
    assert text_width("WWWW", 10) > text_width("iiii", 10)
