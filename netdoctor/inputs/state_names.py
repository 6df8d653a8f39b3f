"""Which name in a file is which name in a model, whatever wrappers have put before or between."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from torch import Tensor
from torch.nn.parameter import is_lazy

from netdoctor.inputs.wrappers import WRAPPERS, without_wrappers

_PREFIX_DEPTH = 3
_PREFIXES_TRIED = 24


@dataclasses.dataclass(frozen=True, slots=True)
class NameMatch:
    """How the names of a file correspond to those of a model.

    Attributes:
        names: the model's name for each of the file's names that has one.
        matched: how many of them also have the model's shape.
        changes: what was done to the names, `stripped 'module.'`.
    """

    names: Mapping[str, str]
    matched: int
    changes: tuple[str, ...] = ()


def match_names(file: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> NameMatch:
    """The renaming under which most tensors of the file have a counterpart in the model.

    The names as they are come first, then without the tokens of wrappers (`module.`, `_orig_mod.`)
    anywhere in them, then without or with a leading prefix; each step only when it matches more.

    Args:
        file: tensors by the file's names.
        own: tensors by the model's names.
    """
    best = _matched(file, own, {name: name for name in file if name in own}, ())
    bare_own = _unique(own, without_wrappers)
    bare = {name: without_wrappers(name) for name in file}
    tokens = _wrapper_tokens(file, own)
    steps: list[tuple[Callable[[str], str], tuple[str, ...]]] = [(str, ())]
    steps += [(_stripping(one), (f"stripped {one!r}",)) for one in _leading(bare.values())]
    steps += [(one.__add__, (f"added {one!r}",)) for one in _leading(bare_own)]
    for step, change in steps:
        names = {name: bare_own[step(b)] for name, b in bare.items() if step(b) in bare_own}
        match = _matched(file, own, names, (*tokens, *change))
        if (match.matched, len(match.names)) > (best.matched, len(best.names)):
            best = match
    return best


def same_shape(file: Tensor, own: Tensor) -> bool:
    """Whether one can be copied into the other; a scalar may have been saved with one element."""
    return is_lazy(own) or file.shape == own.shape or (own.dim() == 0 and file.shape == (1,))


def _matched(
    file: Mapping[str, Tensor],
    own: Mapping[str, Tensor],
    names: Mapping[str, str],
    changes: tuple[str, ...],
) -> NameMatch:
    taken: dict[str, str] = {}
    for name, target in names.items():
        taken.setdefault(target, name)
    kept = {name: target for target, name in taken.items()}
    return NameMatch(kept, sum(same_shape(file[a], own[b]) for a, b in kept.items()), changes)


def _unique(names: Iterable[str], simplify: Callable[[str], str]) -> dict[str, str]:
    names = list(names)
    counts = Counter(simplify(name) for name in names)
    return {simplify(name): name for name in names if counts[simplify(name)] == 1}


def _wrapper_tokens(file: Iterable[str], own: Iterable[str]) -> tuple[str, ...]:
    in_file = {part for name in file for part in name.split(".")}
    in_own = {part for name in own for part in name.split(".")}
    return tuple(f"stripped '{token}.'" for token in WRAPPERS if token in in_file - in_own)


def _stripping(prefix: str) -> Callable[[str], str]:
    """A name without the prefix; names that do not begin with it match nothing."""
    return lambda name: name[len(prefix) :] if name.startswith(prefix) else ""


def _leading(names: Iterable[str]) -> list[str]:
    """The commonest leading parts of the names, `model.` and `model.backbone.`."""
    counts: Counter[str] = Counter()
    for name in names:
        parts = name.split(".")
        for depth in range(1, min(_PREFIX_DEPTH, len(parts) - 1) + 1):
            counts[".".join(parts[:depth]) + "."] += 1
    return [prefix for prefix, _ in counts.most_common(_PREFIXES_TRIED)]
