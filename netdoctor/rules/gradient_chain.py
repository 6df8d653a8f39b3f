"""The chain of activation calls through which every gradient must pass, from input to output."""

from __future__ import annotations

import dataclasses
import math

from netdoctor.facts.gradflow import CallGradient, GradientFacts

_NO_MORE = 1e-30  # from here on float32 has no numbers for the square of what comes next


@dataclasses.dataclass(frozen=True, slots=True)
class Link:
    """All calls behind one layer, as a loop over time makes several.

    Attributes:
        name: the first of these calls.
        norm: the largest L2 norm of their gradients.
        depth: how many layers with activations come before it.
    """

    name: str
    norm: float
    depth: int


@dataclasses.dataclass(frozen=True, slots=True)
class Chain:
    """The links from the model's input to its output that nothing bypasses."""

    links: tuple[Link, ...]

    @property
    def layers(self) -> int:
        """Number of steps from the first link that has a gradient to the last."""
        return self.links[-1].depth - self.first.depth if self.links else 0

    @property
    def first(self) -> Link:
        """The link next to the input whose gradient is not zero."""
        return next((each for each in self.links if each.norm), self.links[-1])

    @property
    def ratio(self) -> float:
        """Gradient norm at the first link over that at the last; 1 for fewer than two links."""
        last = self.links[-1].norm if self.links else 0.0
        return self.first.norm / last if last else 1.0

    @property
    def underflows(self) -> bool:
        """Whether the gradient shrinks until there is no number for it, and is zero from there."""
        return bool(self.links) and not self.links[0].norm and 0 < self.first.norm < _NO_MORE

    @property
    def per_layer(self) -> float:
        """By which factor the gradient changes from a layer to the one before it."""
        return self.ratio ** (1 / self.layers) if self.layers and self.ratio else 1.0

    def steepest(self) -> tuple[Link, Link, float]:
        """The two neighbours between which the gradient changes most, and by which factor."""
        steps = [
            (before, after, before.norm / after.norm)
            for before, after in zip(self.links, self.links[1:], strict=False)
            if before.norm and after.norm
        ]
        return max(steps, key=lambda step: abs(math.log(step[2])))


def chain(facts: GradientFacts) -> Chain:
    """The chain of a network; empty where every activation lies in a branch.

    A call that others go round (a residual branch, one of several parallel branches) is no link,
    nor is a gate or an output: there a small gradient may be meant.
    """
    calls = [each for each in facts.calls if each.state in ("value", "zero")]
    on_trunk = {str(each.site) for each in calls if _is_link(each, facts)}
    groups: dict[str, list[CallGradient]] = {}
    for call in calls:
        if call.role in ("hidden", "output"):
            groups.setdefault(call.after or call.site.name, []).append(call)
    links = []
    for depth, group in enumerate(groups.values()):
        if any(str(each.site) in on_trunk for each in group):
            norm = max(each.norm for each in group)
            links.append(Link(str(group[0].site), norm, depth))
    return Chain(tuple(links))


def _is_link(call: CallGradient, facts: GradientFacts) -> bool:
    name = str(call.site)
    takers = [each.upstream for each in facts.calls if name in each.upstream]
    return call.role == "hidden" and (
        not takers or any(set(upstream) == {name} for upstream in takers)
    )
