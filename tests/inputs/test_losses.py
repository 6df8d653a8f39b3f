from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from netdoctor.errors import DataError, UsageError
from netdoctor.inputs.losses import choose_loss

R = torch.Generator().manual_seed(0)
CLASSES = torch.tensor([0, 2, 1, 1])
NUMBERS = torch.randn(4, generator=R)


def out(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("output", "target", "name", "expected"),
    [
        (out(4, 3), CLASSES, "cross-entropy", F.cross_entropy(out(4, 3), CLASSES)),
        (out(4, 3), CLASSES.int(), "cross-entropy", F.cross_entropy(out(4, 3), CLASSES)),
        (
            out(4, 3, 2, 2),
            CLASSES.view(4, 1, 1).expand(4, 2, 2),
            "cross-entropy",
            F.cross_entropy(out(4, 3, 2, 2), CLASSES.view(4, 1, 1).expand(4, 2, 2)),
        ),
        (
            out(2, 4, 3),
            CLASSES.expand(2, 4),
            "cross-entropy",
            F.cross_entropy(out(2, 4, 3).view(8, 3), CLASSES.repeat(2)),
        ),
        (
            out(4, 3),
            F.one_hot(CLASSES).float(),
            "cross-entropy",
            F.cross_entropy(out(4, 3), CLASSES),
        ),
        (
            out(4, 1),
            CLASSES % 2,
            "bce",
            F.binary_cross_entropy_with_logits(out(4), (CLASSES % 2).float()),
        ),
        (
            out(4, 2),
            torch.ones(4, 2).long(),
            "bce",
            F.binary_cross_entropy_with_logits(out(4, 2), torch.ones(4, 2)),
        ),
        (out(4, 1), NUMBERS, "mse", F.mse_loss(out(4), NUMBERS)),
        (out(4, 3), out(4, 3) + 1, "mse", torch.tensor(1.0)),
    ],
)
def test_the_loss_that_output_and_target_suggest(
    output: Tensor, target: Tensor, name: str, expected: Tensor
) -> None:
    loss, sentence = choose_loss(None, output, target)
    assert f"loss: {name}, chosen because" in sentence
    torch.testing.assert_close(loss(output, target), expected)
    asked, plain = choose_loss(name, output, target)
    assert plain == f"loss: {name}"
    torch.testing.assert_close(asked(output, target), expected)


def test_a_target_per_sample_never_broadcasts() -> None:
    loss, _ = choose_loss("mse", out(4, 1), NUMBERS)
    torch.testing.assert_close(loss(out(4, 1), NUMBERS), F.mse_loss(out(4), NUMBERS))
    with pytest.raises(DataError, match="one value for each output"):
        loss(out(4, 3), NUMBERS)


@pytest.mark.parametrize(
    ("target", "words"),
    [(None, "no target"), ({}, "dict"), (torch.zeros(4).long() + 5, "No loss fits")],
)
def test_no_loss_fits(target: object, words: str) -> None:
    with pytest.raises(DataError, match=words):
        choose_loss(None, out(4), target)


def test_a_misspelt_loss_suggests_the_right_one() -> None:
    with pytest.raises(UsageError) as caught:
        choose_loss("cross-entorpy", out(4, 3), CLASSES)
    assert "cross-entropy" in caught.value.hint


@pytest.mark.parametrize("name", ["plain", "make", "Module", "module"])
def test_a_users_loss(tmp_path: Path, name: str) -> None:
    (tmp_path / "own_losses.py").write_text(
        "from torch import nn\n"
        "def plain(output, target): return (output.sum(1) - target).abs()\n"
        "def make(): return plain\n"
        "class Module(nn.Module):\n"
        "    def forward(self, output, target): return plain(output, target)\n"
        "module = Module()\n"
    )
    loss, sentence = choose_loss(f"{tmp_path}/own_losses.py:{name}", out(4, 3), CLASSES)
    assert f"own_losses.py:{name}" in sentence
    torch.testing.assert_close(loss(out(4, 3), CLASSES), (out(4, 3).sum(1) - CLASSES).abs().mean())
