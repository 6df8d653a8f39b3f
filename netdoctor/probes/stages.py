"""Which calls are the last of their stage, and which calls a pattern means: from what ran."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from fnmatch import fnmatchcase

from netdoctor.facts.featuremaps import Layout
from netdoctor.facts.site import Site

_MOST_STAGES = 12
_EVENLY = 4


@dataclasses.dataclass(frozen=True, slots=True)
class Seen:
    """One call of the scouting pass.

    Attributes:
        site: the call.
        kind: the activation function or the module's class.
        layout: of its output; None where it has no picture.
        given: the grid of its input.
        weighted: whether it is a leaf with a weight matrix or kernel.
        weights: whether it or a module in it has parameters.
        active: whether it is an activation function.
        plain: whether it is a plain `nn.Sequential`, which is a list of steps rather than a block.
        whole: whether its first axis counts the samples.
    """

    site: Site
    kind: str
    layout: Layout | None
    given: tuple[int, ...]
    weighted: bool = False
    weights: bool = False
    active: bool = False
    plain: bool = False
    whole: bool = True

    @property
    def grid(self) -> tuple[int, ...]:
        """The extent of its output; empty where there is none."""
        return self.layout.grid if self.layout is not None and self.whole else ()


def stage_ends(calls: Sequence[Seen]) -> list[Site]:
    """The last call of each stage; for a network of one size, four of its repeated blocks.

    A stage is a run of the network's steps with one resolution and one number of channels, with
    weights in it. A step is a block: what a module does within one change of resolution.
    """
    steps = [step for step in _steps(calls) if step.grid]
    runs: list[list[Seen]] = []
    for step in steps:
        if runs and _size(runs[-1][-1]) == _size(step):
            runs[-1].append(step)
        else:
            runs.append([step])
    runs = [run for run in runs if any(step.weights for step in run)]
    ends = [next(step for step in reversed(run) if step.weights or step.active) for run in runs]
    if len(ends) > _MOST_STAGES:
        followers = [*ends[1:], None]
        ends = [a for a, b in zip(ends, followers, strict=True) if b is None or a.grid != b.grid]
    if len(ends) <= 1:
        ends = _blocks(calls) or ends
    if not ends:  # a network of vectors: every layer's output
        ends = [call for call in calls if call.layout is not None and not _is_root(call)]
    if len(ends) > _MOST_STAGES:
        last = len(ends) - 1
        ends = [ends[round(at * last / (_MOST_STAGES - 1))] for at in range(_MOST_STAGES)]
    return [each.site for each in ends]


def selected(pattern: str, sites: Sequence[Site]) -> list[Site]:
    """The calls that a `--layers` pattern means.

    An exact name is that call. In a shell pattern `*` stays within one part of the path, so that
    `layer*` is `layer1` to `layer4`; a pattern that finds nothing so may cross parts.
    """
    exact = [site for site in sites if pattern in (str(site), site.name, site.path)]
    own = [site for site in exact if not site.operation or pattern != site.path]
    if own or exact:
        return own or exact
    return [site for site in sites if _matches_parts(site, pattern)] or [
        site for site in sites if site.matches(pattern)
    ]


def _matches_parts(site: Site, pattern: str) -> bool:
    parts = pattern.split(".")
    for name in (str(site), site.name, site.path):
        own = name.split(".")
        if len(own) == len(parts) and all(map(fnmatchcase, own, parts)) and site.path:
            return not site.operation or "/" in pattern
    return False


def _size(call: Seen) -> tuple[tuple[int, ...], int]:
    return call.grid, call.layout.channels if call.layout is not None else 0


def _is_root(call: Seen) -> bool:
    return call.site.path == "" and not call.site.operation


def _steps(calls: Sequence[Seen]) -> list[Seen]:
    """The steps in order. A module's call comes right after the calls inside it."""
    steps: list[Seen] = []
    end = len(calls)
    while end > 0:
        call, start = calls[end - 1], end - 1
        while start > 0 and _is_inside(calls[start - 1], call):
            start -= 1
        inner = calls[start : end - 1]
        steps += reversed(_steps(inner)) if _is_list_of_steps(call, inner) else [call]
        end = start
    return steps[::-1]


def _is_inside(call: Seen, outer: Seen) -> bool:
    if outer.site.operation:
        return False
    if call.site.path == outer.site.path:
        return bool(call.site.operation)
    return call.site.inside(outer.site.path) or not outer.site.path


def _is_list_of_steps(call: Seen, inner: Sequence[Seen]) -> bool:
    grids = {each.grid for each in inner if each.grid and each.weights}  # padding makes others
    if not grids:
        return False
    if _is_root(call) or not call.grid:
        return True
    if len(grids) == 1:
        return False
    if grids <= {call.grid, call.given}:
        return call.plain and len({each.grid for each in inner if each.weighted and each.grid}) > 1
    return True


def _blocks(calls: Sequence[Seen]) -> list[Seen]:
    """Four evenly spaced ones of the block that is repeated most often, first found outermost."""
    families: dict[tuple[str, str], list[Seen]] = {}
    leaves = {each.site.path for each in calls} - {_parent(each.site.path) for each in calls}
    for call in calls:
        if call.grid and not call.site.operation and call.site.path not in leaves:
            families.setdefault((_parent(call.site.path), call.kind), []).append(call)
    families.pop(("", ""), None)
    largest = max(families.values(), key=len, default=[])
    if len(largest) < 2:
        return []
    count = min(_EVENLY, len(largest))
    return [largest[round((at + 1) * len(largest) / count) - 1] for at in range(count)]


def _parent(path: str) -> str:
    return path.rpartition(".")[0]
