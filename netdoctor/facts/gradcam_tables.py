"""Heat maps as tables, and the predictions for the summary of the JSON document."""

from __future__ import annotations

from typing import Any

from netdoctor.facts.gradcam import Explained, GradCamFacts
from netdoctor.report import Column, Table

_TOP = 5


def predictions(facts: GradCamFacts) -> Table:
    """One row an image: what was predicted, and what was explained."""
    columns = [
        Column("input", "image", "name"),
        Column("name", "predicted", "text"),
        Column("score", "score", "percent"),
        Column("target", "explained", "text", priority=1),
        Column("target_score", "its score", "percent", priority=2),
    ]
    return Table("predictions", "", columns, [_row(each) for each in facts.images], shown=40)


def maps(facts: GradCamFacts) -> Table:
    """One row a layer and image: where the map peaks, in pixels of the input."""
    columns = [
        Column("input", "image", "name"),
        Column("layer", "layer", "name"),
        Column("grid", "grid", "shape", priority=2),
        Column("maximum", "largest", "number", priority=1),
        Column("peak", "peak (x, y)", "shape"),
        Column("blank", "blank", "text"),
    ]
    rows = [row for each in facts.images for row in _map_rows(each)]
    return Table("maps", "", columns, rows, shown=40, legend=_LEGEND)


def summary(facts: GradCamFacts) -> list[dict[str, Any]]:
    """One entry an image: its name, and index, name and score of the predicted class."""
    return [
        {
            "input": each.input.name,
            "index": each.top[0].index,
            "name": each.top[0].name,
            "score": each.top[0].score,
        }
        for each in facts.images
    ]


_LEGEND = (
    "largest: of the heat map before it is normalised, at the layer's size; peak: the centre of "
    "its cell in the network's input",
)


def _row(each: Explained) -> dict[str, Any]:
    target, first = each.target, each.top[0]
    return {
        "input": each.input.name,
        "index": first.index,
        "name": first.name,
        "score": first.score,
        "target": target.name,
        "target_index": target.index,
        "target_kind": target.kind,
        "target_score": target.score,
        "target_value": target.value,
        "mask_pixels": target.pixels,
        "top": [
            {"index": guess.index, "name": guess.name, "score": guess.score}
            for guess in each.top[:_TOP]
        ],
    }


def _map_rows(each: Explained) -> list[dict[str, Any]]:
    rows = []
    for heat in each.maps:
        height, width = heat.values.shape
        row, column = divmod(int(heat.values.argmax()), width)
        peak = (
            int((column + 0.5) * each.size[1] / width),
            int((row + 0.5) * each.size[0] / height),
        )
        rows.append(
            {
                "input": each.input.name,
                "layer": str(heat.site),
                "grid": [height, width],
                "maximum": float(heat.values.max()),
                "lowest_sum": heat.lowest,
                "highest_sum": heat.highest,
                "peak": None if heat.blank else list(peak),
                "blank": heat.blank,
                "reason": heat.reason,
            }
        )
    return rows
