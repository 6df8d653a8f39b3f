"""The wiring probe and its rules together, on batches that are easily made."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from netdoctor.inputs.batches import Batch, as_batch
from netdoctor.probes.wiring import measure
from netdoctor.rules import rules_of
from netdoctor.rules.core import Judgement, judge
from sample_models import shapes

CODES = ("MOD003", "MOD004", "ACT004")


def noise(*shape: int, size: int = 32, count: int = 2, seed: int = 0) -> list[Batch]:
    source = torch.Generator().manual_seed(seed)
    return [as_batch(torch.randn(size, *shape, generator=source)) for _ in range(count)]


def tokens(length: int = 12, size: int = 32) -> list[Batch]:
    source = torch.Generator().manual_seed(0)
    return [as_batch({"input_ids": torch.randint(1, 90, (size, length), generator=source)})]


def seeded(factory: Callable[[], nn.Module]) -> nn.Module:
    torch.manual_seed(0)
    return factory().eval()


def judged(model: nn.Module, batches: list[Batch], **state: Any) -> Judgement:
    facts = measure(model, batches, **{"fresh": False, **state})
    return judge(facts, [each for each in rules_of("check-forward") if each.code in CODES])


def found(model: nn.Module, batches: list[Batch], **state: Any) -> list[tuple[str, str]]:
    return [(each.code, each.subject) for each in judged(model, batches, **state).findings]


def skipped(model: nn.Module, batches: list[Batch], rule: str, **state: Any) -> str:
    judgement = judged(model, batches, **state)
    assert rule not in {each.rule for each in judgement.findings}
    (skip,) = [each for each in judgement.skipped if each.rule == rule]
    return skip.reason


class Between(nn.Module):
    """Two linear layers with something between them."""

    def __init__(self, between: Callable[[Tensor], Tensor], width: int = 16) -> None:
        super().__init__()
        self.fc, self.between, self.head = nn.Linear(10, width), between, nn.Linear(width, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.between(self.fc(x)))


@functools.cache
def pictures() -> list[Batch]:
    return [as_batch(each) for _, each in zip(range(3), shapes.test_loader(), strict=False)]
