"""Lines of one shape are read alike, whether the shape is known or met anew."""

from __future__ import annotations

import random

import numpy as np
import pytest

from netdoctor.inputs.training_logs import lines
from netdoctor.inputs.training_logs.lines import sheet_of_text
from netdoctor.inputs.training_logs.sheet import Sheet
from tests.inputs.logs import WRITTEN
from tests.inputs.test_training_logs import TEXTS

_INSERTED = ("nan", "inf", "1,5", "%", "(0.5)", "f1 0.3", "l2 4", " val ", "=", "/9", "\x1b[3m",
             "tensor(3, device=2)", "'s ", "\r", "é", "٣", "100%|█| 3/3")  # fmt: skip


def equal(one: Sheet | None, other: Sheet | None) -> bool:
    if one is None or other is None:
        return one is other
    return (
        (list(one.columns), one.height, one.notes)
        == (list(other.columns), other.height, other.notes)
        and all(
            np.array_equal(one.columns[name].rows, other.columns[name].rows)
            and np.array_equal(one.columns[name].values, other.columns[name].values, equal_nan=True)
            for name in one.columns
        )
    )  # fmt: skip


def variant(line: str, rng: random.Random) -> str:
    """The line with other digits, and now and then with something odd in it."""
    line = "".join(
        rng.choice("0123456789") if each.isdigit() and rng.random() < 0.5 else each for each in line
    )
    place = rng.randrange(len(line) + 1)
    return f"{line[:place]}{rng.choice(_INSERTED) * (rng.random() < 0.3)}{line[place:]}"


@pytest.mark.parametrize("seed", range(40))
def test_known_shapes_are_read_as_new_ones(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(seed)
    written = [path.read_text(errors="replace") for path in WRITTEN.glob("*.txt")]
    pool = [line for text in (*TEXTS.values(), *written) for line in text.splitlines()]
    text = "\n".join(variant(rng.choice(pool[:900]), rng) for _ in range(80) for _ in range(2))
    quick = sheet_of_text(text)
    monkeypatch.setattr(lines, "_MOST_SHAPES", 0)
    slow = sheet_of_text(text)
    assert slow is not None
    assert equal(quick, slow)


def test_names_that_differ_in_their_digits_are_kept_apart() -> None:
    sheet = sheet_of_text("epoch 1 f1=0.5 loss=3\nepoch 2 l2=0.7 loss=2\nepoch 3 f1=0.6 loss=1\n")
    assert sheet is not None
    assert sheet.columns["f1"].values.tolist() == [0.5, 0.6]
    assert sheet.columns["l2"].values.tolist() == [0.7]
    assert sheet.columns["epoch"].values.tolist() == [1, 2, 3]
