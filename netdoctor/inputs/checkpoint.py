"""A checkpoint file becomes a state: names and tensors, and never a line of its code runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from netdoctor.errors import CheckpointError
from netdoctor.inputs.checkpoint_files import read_file
from netdoctor.inputs.inert_objects import Opaque
from netdoctor.inputs.loading import LoadSummary, load_into
from netdoctor.inputs.state_dicts import Candidate, State, find_state_dicts, not_read
from netdoctor.inputs.state_names import match_names
from netdoctor.inputs.user_code import kind_of, near_misses

__all__ = ["LoadSummary", "State", "load_into", "read_state"]

_SHOWN = 6


def read_state(
    path: Path,
    *,
    state_key: str | None = None,
    trust: bool = False,
    model: nn.Module | None = None,
) -> State:
    """The state dict in a checkpoint file.

    Args:
        path: a `.safetensors` file, the index of a sharded set, or a `torch.save` file.
        state_key: which state dict to take where there are several.
        trust: unpickle everything, which runs whatever code the file holds.
        model: chooses between several by its names and shapes.

    Raises:
        CheckpointError: the file is missing or something else, asks to run code, holds no state
            dict, or holds several that nothing tells apart.
    """
    path = Path(path).expanduser()
    content = read_file(path, trust=trust)
    candidates = find_state_dicts(content)
    if not candidates:
        raise _without_tensors(path, content)
    notes: list[str] = []
    chosen = candidates[0]
    if state_key is not None:
        chosen = _by_key(path, candidates, state_key)
    elif len(candidates) > 1:
        chosen = _by_model(path, candidates, model)
        keys = ", ".join(repr(one.key) for one in candidates[:_SHOWN])
        notes.append(f"{path.name}: took {chosen.key!r} of {keys}: it fits the model best")
    unread = tuple(not_read(content, chosen.key))
    notes += _notes(path, chosen, unread)
    return State(
        chosen.tensors, path, chosen.key, unread, tuple(notes), chosen.extras, chosen.metadata
    )


def _notes(path: Path, chosen: Candidate, unread: tuple[str, ...]) -> list[str]:
    notes = []
    if chosen.of_class:
        notes.append(f"{path.name}: took the tensors of a saved module ({chosen.of_class})")
    if unread:
        more = f" and {len(unread) - _SHOWN} more" if len(unread) > _SHOWN else ""
        notes.append(f"{path.name}: not read: {', '.join(unread[:_SHOWN])}{more}")
    return notes


def _without_tensors(path: Path, content: Any) -> CheckpointError:
    held = f"it holds {kind_of(content)}"
    if isinstance(content, Opaque):
        return CheckpointError(
            f"{path} holds an object of {content.origin}, in which no tensors were found.",
            hint="Save its state_dict(), or pass --trust-checkpoint if you know who made the file.",
        )
    if isinstance(content, Mapping):
        keys = ", ".join(str(key) for key in list(content)[:_SHOWN])
        held = f"it holds the keys {keys}" if content else "it is empty"
    return CheckpointError(
        f"{path} holds no state dict: no mapping of names to tensors in it ({held}).",
        hint="Save one with torch.save(model.state_dict(), FILE).",
    )


def _by_key(path: Path, candidates: list[Candidate], key: str) -> Candidate:
    def inside(candidate: Candidate) -> bool:
        return f".{candidate.key}.".find(f".{key}.") >= 0

    tests: tuple[Callable[[Candidate], bool], ...] = (lambda one: one.key == key, inside)
    for test in tests:
        fitting = [one for one in candidates if test(one)]
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            raise _several(path, fitting)
    keys = [one.key for one in candidates if one.key]
    instead = f"Pass --state-key {keys[0]}, or leave it out." if keys else "Leave it out."
    raise CheckpointError(
        f"{path} has no state dict under {key!r}; what it has: {_listed(candidates)}.",
        hint=near_misses(key, keys) or instead,
    )


def _by_model(path: Path, candidates: list[Candidate], model: nn.Module | None) -> Candidate:
    if model is None:
        raise _several(path, candidates)
    own = {name: value for name, value in model.state_dict().items() if isinstance(value, Tensor)}
    counted = [(match_names(one.tensors, own).matched, one) for one in candidates]
    best = max(count for count, _ in counted)
    if best == 0:
        raise CheckpointError(
            f"{path} holds {len(candidates)} state dicts, none of which has a tensor of the "
            f"model: {_listed(candidates)}.",
            hint="It belongs to another network, or holds an optimizer's state and no weights.",
        )
    fitting = [one for count, one in counted if count == best]
    if len(fitting) > 1:
        raise _several(path, fitting)
    return fitting[0]


def _several(path: Path, candidates: list[Candidate]) -> CheckpointError:
    return CheckpointError(
        f"{path} holds {len(candidates)} state dicts: {_listed(candidates)}.",
        hint=f"Choose one, for instance --state-key {candidates[0].key}.",
    )


def _listed(candidates: list[Candidate]) -> str:
    shown = [f"{one.key or 'the top'} ({len(one.tensors)} tensors)" for one in candidates[:_SHOWN]]
    return ", ".join(shown) + (" and more" if len(candidates) > _SHOWN else "")
