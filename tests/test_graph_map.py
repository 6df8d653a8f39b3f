"""The graph folded to what can be read: equal blocks once, shared modules once, by level."""

from __future__ import annotations

import pytest

from netdoctor.facts.graph import GraphEdge, GraphFacts, GraphNode, GraphScope, table
from netdoctor.facts.graph_folding import READABLE, folded
from netdoctor.facts.graph_map import Box, Map, Row
from tests.made_up_graph import Sketch, residual_stack


def outline(item: Row | Box) -> object:
    """Titles, nested, with how often what comes more than once."""
    times = f" ×{item.times}" if item.times > 1 else ""
    times += f" ({item.calls} calls)" if item.calls > 1 else ""
    if isinstance(item, Row):
        return f"{item.title}{times}"
    return {f"{item.title}{times}": [outline(each) for each in item.items]}


def links(drawn: Map) -> set[tuple[str, str]]:
    titles = {row.key: row.title for row in drawn.rows()}
    return {(titles[each.source], titles[each.target]) for each in drawn.links}


def test_equal_blocks_in_a_chain_are_one() -> None:
    drawn = folded(residual_stack(6).facts())
    assert outline(drawn.root) == {
        "Net": ["input x", "stem", {"layer": [{"0–5 ×6": ["a", "b", "add"]}]}, "head", "output"]
    }
    assert links(drawn) == {
        ("input x", "stem"), ("stem", "a"), ("a", "b"), ("b", "add"), ("stem", "add"),
        ("add", "head"), ("head", "output"),
    }  # fmt: skip
    added = next(row for row in drawn.rows() if row.title == "add")
    assert len(added.nodes) == 6


def test_a_block_that_differs_is_drawn_apart() -> None:
    drawn = folded(residual_stack(6, different=[2]).facts(), depth=2)
    assert outline(drawn.root) == {
        "Net": ["input x", "stem", {"layer": ["0–1 ×2", "2", "3–5 ×3"]}, "head", "output"]
    }


def test_blocks_that_feed_others_too_are_no_plain_chain() -> None:
    sketch = Sketch()
    at, given = sketch.input(), []
    for number in range(3):
        block = sketch.scope(f"blocks.{number}")
        inner = sketch.layer(f"blocks.{number}.a", at, scope=block)
        at = sketch.layer(f"blocks.{number}.b", inner, scope=block)
        given.append(at)
    sketch.output(sketch.call("relu", given[0]), at)
    assert outline(folded(sketch.facts(), depth=1).root) == {
        "Net": ["input x", "blocks.0", "blocks.1–2 ×2", "relu", "output"]
    }


def test_a_run_of_several_layers_that_repeats_is_one() -> None:
    sketch = Sketch()
    at = sketch.input()
    for number in range(0, 1000, 2):
        at = sketch.layer(str(number), at)
        at = sketch.layer(str(number + 1), at, kind="ReLU", parameters=0)
    sketch.output(at)
    drawn = folded(sketch.facts())
    assert outline(drawn.root) == {"Net": ["input x", {"0–999 ×500": ["0", "1"]}, "output"]}


def test_equal_blocks_side_by_side_are_one() -> None:
    sketch = Sketch()
    given = sketch.input()
    heads = []
    for number in range(4):
        head = sketch.scope(f"heads.{number}")
        inner = sketch.layer(f"heads.{number}.a", given, scope=head)
        heads.append(sketch.layer(f"heads.{number}.b", inner, scope=head))
    sketch.output(sketch.call("cat", *heads))
    drawn = folded(sketch.facts())
    assert outline(drawn.root) == {
        "Net": ["input x", {"heads.0–3 ×4": ["a", "b"]}, "cat", "output"]
    }
    assert links(drawn) == {("input x", "a"), ("a", "b"), ("b", "cat"), ("cat", "output")}


@pytest.mark.parametrize("shape", [(2, 4), (2, 9)])
def test_a_module_called_for_two_inputs_is_drawn_once(shape: tuple[int, int]) -> None:
    sketch = Sketch()
    ends = []
    for given, size in ((sketch.input("input a"), (2, 4)), (sketch.input("input b"), shape)):
        scope = sketch.scope("encoder")
        inner = sketch.layer("encoder.0", given, scope=scope, shape=size)
        ends.append(sketch.layer("encoder.1", inner, scope=scope, shape=size))
    sketch.output(sketch.call("sub", *ends))
    drawn = folded(sketch.facts())
    assert outline(drawn.root) == {
        "Net": ["input a", "input b", {"encoder (2 calls)": ["0", "1"]}, "sub", "output"]
    }
    assert {("input a", "0"), ("input b", "0"), ("1", "sub")} <= links(drawn)
    assert next(row for row in drawn.rows() if row.title == "0").parameters == 20


def test_a_shared_layer_is_one_row_unless_that_made_a_cycle() -> None:
    sketch = Sketch()
    a, b = sketch.input("input a"), sketch.input("input b")
    sketch.output(sketch.call("add", sketch.layer("embed", a), sketch.layer("embed", b)))
    assert outline(folded(sketch.facts()).root) == {
        "Net": ["input a", "input b", "embed (2 calls)", "add", "output"]
    }
    again = Sketch()
    first = again.layer("shared", again.input())
    again.output(again.layer("shared", again.call("relu", first)))
    assert outline(folded(again.facts()).root) == {
        "Net": ["input x", "shared (2 calls)", "relu", "shared (2 calls)", "output"]
    }


def test_what_only_moves_values_or_comes_from_no_input_is_left_out() -> None:
    sketch = Sketch()
    given = sketch.input()
    table_of_weights = sketch.call("arange")
    moved = sketch.call("view", sketch.layer("a", given), shape=(8,), moves=True)
    checked = sketch.call("isnan", given)
    sketch.output(sketch.call("add", moved, table_of_weights))
    drawn = folded(sketch.facts())
    assert outline(drawn.root) == {"Net": ["input x", "a", "add", "output"]}
    assert sketch.nodes[checked].name not in {row.title for row in drawn.rows()}
    shapes = {(each.source, each.target): each.shapes for each in drawn.links}
    assert shapes["n2", "n5"] == ((2, 4),)  # as the layer gave it


def test_a_layer_with_weights_is_drawn_whatever_it_is_fed() -> None:
    sketch = Sketch()
    place = sketch.layer("positions", sketch.call("arange"), kind="Embedding")
    sketch.output(sketch.call("add", sketch.layer("words", sketch.input()), place))
    assert "positions" in {row.title for row in folded(sketch.facts()).rows()}


@pytest.mark.parametrize(
    ("depth", "rows"), [(1, 5), (2, 5), (3, 7)], ids=["modules", "equal blocks", "all"]
)
def test_depth_folds_what_is_deeper(depth: int, rows: int) -> None:
    drawn = folded(residual_stack(5).facts(), depth=depth)
    assert len(list(drawn.rows())) == rows
    assert (drawn.depth, drawn.deepest) == (depth, 3)


def test_a_folded_row_knows_all_that_is_inside() -> None:
    facts = residual_stack(5).facts()
    row = next(row for row in folded(facts, depth=1).rows() if row.role == "folded")
    assert (row.title, row.kind, len(row.nodes)) == ("layer", "Sequential", 15)
    assert {facts.scopes[at].path for at in row.scopes} == {
        "layer",
        *(f"layer.{n}" for n in range(5)),
    }


def test_expand_opens_a_module_and_keeps_it_apart_from_its_equals() -> None:
    drawn = folded(residual_stack(6).facts(), depth=1, expand=["layer.3"])
    assert outline(drawn.root) == {
        "Net": [
            "input x", "stem",
            {"layer": ["0–2 ×3", {"3": ["a", "b", "add"]}, "4–5 ×2"]},
            "head", "output",
        ]
    }  # fmt: skip


def test_by_itself_it_opens_as_much_as_can_be_read() -> None:
    assert folded(residual_stack(40, different=range(0, 40, 2)).facts()).depth == 3  # ×20
    varied = Sketch()
    at = varied.input()
    for number in range(60):
        scope = varied.scope(f"blocks.{number}")
        at = varied.layer(f"blocks.{number}.a", at, scope=scope, shape=(2, number + 1))
        at = varied.layer(f"blocks.{number}.b", at, scope=scope, shape=(2, number + 1))
    varied.output(at)
    drawn = folded(varied.facts())
    assert (drawn.depth, drawn.deepest) == (1, 2)
    assert len(list(drawn.rows())) <= READABLE


def test_many_functions_in_one_forward_are_a_row() -> None:
    sketch = Sketch()
    at = sketch.layer("backbone", sketch.input())
    for number in range(100):
        at = sketch.call("mul" if number % 3 else "exp", at, shape=(2, number + 1))
    sketch.output(at)
    drawn = folded(sketch.facts())
    assert outline(drawn.root) == {"Net": ["input x", "backbone", "100 functions", "output"]}
    assert len(list(folded(sketch.facts(), depth=1).rows())) == 103


def test_an_activation_written_out_is_a_row() -> None:
    sketch = Sketch()
    given = sketch.layer("fc", sketch.input())
    scope = sketch.scope("act", "NewGELU", weights=0)
    cube = sketch.call("pow", given, scope=scope)
    sketch.output(sketch.call("mul", cube, given, scope=scope))
    assert outline(folded(sketch.facts()).root) == {"Net": ["input x", "fc", "act", "output"]}
    opened = folded(sketch.facts(), expand=["act"])
    assert outline(opened.root) == {"Net": ["input x", "fc", {"act": ["pow", "mul"]}, "output"]}


def test_it_is_always_the_same() -> None:
    facts = residual_stack(7, different=[3]).facts()
    assert folded(facts) == folded(facts)


def test_facts_refuse_what_is_no_graph_of_a_pass() -> None:
    nodes = [GraphNode("a", "", "a", "function"), GraphNode("b", "", "b", "function")]
    root = GraphScope("(model)#1", "", "Net", -1)
    with pytest.raises(ValueError, match="earlier"):
        GraphFacts("m", nodes, [root], [GraphEdge(1, 0, ())])
    with pytest.raises(ValueError, match="one name"):
        GraphFacts("m", [nodes[0], nodes[0]], [root], [])
    with pytest.raises(ValueError, match="scope"):
        GraphFacts("m", nodes, [root, GraphScope("x", "x", "X", 1)], [])


def test_the_table_names_sources() -> None:
    rows = table(residual_stack(1).facts()).rows
    added = next(row for row in rows if row["operation"] == "add")
    assert added["sources"] == ["layer.0.b#1", "stem#1"]
    assert added["inputs"] == "layer.0.b#1, stem#1"
