"""Loads a state into a model and counts what arrived: nothing is examined on half a checkpoint."""

from __future__ import annotations

import dataclasses
from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from netdoctor.errors import CheckpointError
from netdoctor.inputs.state_dicts import State
from netdoctor.inputs.state_names import NameMatch, match_names, same_shape
from netdoctor.inputs.user_code import guarded
from netdoctor.inputs.wrappers import without_wrappers

_LEAST_SHARE = 0.5
_SHOWN = 5
_COUNTER = "num_batches_tracked"


@dataclasses.dataclass(frozen=True, slots=True)
class Mismatch:
    """A tensor whose shape in the file is not the model's."""

    name: str
    in_file: tuple[int, ...]
    in_model: tuple[int, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class LoadSummary:
    """What a file gave a model.

    Attributes:
        source: the file's name.
        loaded: number of the model's tensors that were loaded.
        total: number of tensors that the model has.
        parameter_share: share of the model's parameters (elements) that were loaded, in [0, 1].
        changes: what was done to the file's names, `stripped 'module.'`.
        missing: names in the model that the file lacks.
        unexpected: names in the file that the model lacks.
        mismatched: names in both, with different shapes.
        tolerated: sentences about differences that change nothing.
    """

    source: str
    loaded: int
    total: int
    parameter_share: float
    changes: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    mismatched: tuple[Mismatch, ...] = ()
    tolerated: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether model and file agree."""
        return not (self.missing or self.unexpected or self.mismatched)

    def __str__(self) -> str:
        share = f"{self.parameter_share:.1%}".replace("%", " %").replace("100.0 %", "100 %")
        if self.parameter_share < 1 and share == "100 %":
            share = "just under 100 %"
        counted = f"loaded {self.loaded}/{self.total} tensors ({share} of parameters)"
        return "; ".join((f"weights: {self.source}, {counted}", *self.changes, *self.tolerated))

    def notes(self) -> tuple[str, ...]:
        """The count, and what a partial load left out."""
        return (str(self), *(f"not loaded: {line}" for line in self._differences()))

    def _differences(self) -> list[str]:
        lines = []
        if self.mismatched:
            shown = [
                f"{one.name} is {_shape(one.in_file)} in the file and "
                f"{_shape(one.in_model)} in the model"
                for one in self.mismatched[:_SHOWN]
            ]
            lines.append(
                f"{len(self.mismatched)} of another shape: {_list(shown, self.mismatched)}"
            )
        if self.missing:
            lines.append(f"{len(self.missing)} missing in the file: {_list(self.missing)}")
        if self.unexpected:
            lines.append(f"{len(self.unexpected)} unknown to the model: {_list(self.unexpected)}")
        return lines


def load_into(module: nn.Module, state: State, *, partial: bool = False) -> LoadSummary:
    """Loads the state into the module, in place, and counts it.

    Args:
        module: the model; after an error it must not be used.
        state: what was read from the file.
        partial: accept differences, as long as half of the parameters were loaded.

    Raises:
        CheckpointError: names or shapes differ, or with `partial` less than half was loaded.
    """
    own = module.state_dict()
    tensors = {name: value for name, value in own.items() if isinstance(value, Tensor)}
    if not tensors:
        raise CheckpointError(
            f"{state.source.name} cannot be loaded: the model has no parameters or buffers.",
            hint="Leave --checkpoint out, or check that the factory builds the right network.",
        )
    match = match_names(state.tensors, tensors)
    fitting, mismatched = _by_shape(state, tensors, match)
    unknown = [name for name in state.tensors if name not in match.names]
    missing = _copy(module, state, {**fitting, **_extras(state, own, match)}, own)
    summary = _summary(module, state, match, set(fitting), missing, unknown, mismatched)
    _judge(module, state, summary, partial)
    return summary


def _by_shape(
    state: State, own: Mapping[str, Tensor], match: NameMatch
) -> tuple[dict[str, Tensor], tuple[Mismatch, ...]]:
    fitting: dict[str, Tensor] = {}
    mismatched = []
    for name, target in match.names.items():
        tensor = state.tensors[name]
        if same_shape(tensor, own[target]):
            quantised = tensor.is_quantized and not own[target].is_quantized
            fitting[target] = tensor.dequantize() if quantised else tensor
        else:
            mismatched.append(Mismatch(target, tuple(tensor.shape), tuple(own[target].shape)))
    return fitting, tuple(mismatched)


def _extras(state: State, own: Mapping[str, Any], match: NameMatch) -> dict[str, Any]:
    """The entries without tensors that the model has too, such as packed parameters."""
    by_name = {without_wrappers(name): name for name in own}
    named = {by_name.get(without_wrappers(name)): value for name, value in state.extras.items()}
    return {name: value for name, value in named.items() if name is not None}


def _copy(
    module: nn.Module, state: State, values: Mapping[str, Any], own: Mapping[str, Any]
) -> list[str]:
    """Copies the values in; the names that the module still misses."""
    ordered = OrderedDict(values)
    metadata = state.metadata if isinstance(state.metadata, dict) else None
    if metadata is not None:
        metadata = {without_wrappers(str(path)): value for path, value in metadata.items()}
    # Modules read the version of the code that wrote them from this attribute of a state dict.
    ordered.__dict__["_metadata"] = metadata or getattr(own, "_metadata", None)
    with guarded(f"Loading {state.source.name} into the model", CheckpointError):
        return list(module.load_state_dict(ordered, strict=False).missing_keys)


def _summary(
    module: nn.Module,
    state: State,
    match: NameMatch,
    loaded: set[str],
    missing: list[str],
    unknown: list[str],
    mismatched: tuple[Mismatch, ...],
) -> LoadSummary:
    own = {
        name: value
        for name, value in module.state_dict(keep_vars=True).items()
        if isinstance(value, Tensor)
    }
    tied = _tied(own, loaded)
    shapes_differ = {one.name for one in mismatched}
    absent = [name for name in missing if name not in tied and name not in shapes_differ]
    counters = [
        name
        for name in absent
        if name.endswith(_COUNTER) and f"{name.removesuffix(_COUNTER)}running_mean" in loaded
    ]
    unsaved = {name for name, _ in module.named_buffers()} - own.keys()
    buffers = [name for name in unknown if _ends_with_any(name, unsaved)]
    return LoadSummary(
        source=state.source.name,
        loaded=len(loaded | tied),
        total=len(own),
        parameter_share=_share(own, loaded | tied),
        changes=match.changes,
        missing=tuple(name for name in absent if name not in counters),
        unexpected=tuple(name for name in unknown if name not in buffers),
        mismatched=mismatched,
        tolerated=_tolerated(state, match, own, tied, counters, buffers),
    )


def _tolerated(
    state: State,
    match: NameMatch,
    own: Mapping[str, Tensor],
    tied: set[str],
    counters: list[str],
    buffers: list[str],
) -> tuple[str, ...]:
    conversions = Counter(
        (state.tensors[name].dtype, own[target].dtype) for name, target in match.names.items()
    )
    texts = [
        f"{count} converted from {_name(old)} to {_name(new)}"
        for (old, new), count in conversions.items()
        if old != new
    ]
    if tied:
        texts.append(f"{len(tied)} tied to loaded ones ({_list(sorted(tied))})")
    if counters:
        texts.append(f"{len(counters)} {_COUNTER} counters are not in the file, as in old ones")
    if buffers:
        texts.append(f"{len(buffers)} buffers ignored that the model computes ({_list(buffers)})")
    return tuple(texts)


def _tied(own: Mapping[str, Tensor], loaded: set[str]) -> set[str]:
    """Names that were not loaded, but share their memory with one that was."""
    filled = {_memory(own[name]) for name in loaded} - {None}
    return {name for name in own.keys() - loaded if _memory(own[name]) in filled}


def _memory(tensor: Tensor) -> tuple[int, tuple[int, ...]] | None:
    if is_lazy(tensor) or tensor.numel() == 0 or tensor.layout is not torch.strided:
        return None
    return tensor.data_ptr(), tuple(tensor.shape)


def _share(own: Mapping[str, Tensor], loaded: set[str]) -> float:
    """The loaded share of the parameters, or of all tensors where there are no parameters."""
    parameters = {name: value for name, value in own.items() if isinstance(value, nn.Parameter)}
    counted = parameters or own
    elements = {name: value.numel() for name, value in counted.items() if not is_lazy(value)}
    total = sum(elements.values())
    return sum(elements[name] for name in elements.keys() & loaded) / total if total else 1.0


def _ends_with_any(name: str, known: set[str]) -> bool:
    bare = without_wrappers(name)
    return any(bare == one or bare.endswith(f".{one}") for one in known)


def _judge(module: nn.Module, state: State, summary: LoadSummary, partial: bool) -> None:
    if partial and summary.loaded and summary.parameter_share >= _LEAST_SHARE:
        return
    if not partial and summary.complete:
        return
    head = _head_mismatch(module, summary)
    lines = ([head] if head else []) + summary._differences()
    counted = f"{summary.loaded} of {summary.total} tensors match"
    message = f"{state.source} does not fit the model ({counted}). {'. '.join(lines)}."
    if partial:
        share = f"{summary.parameter_share:.1%}".replace("%", " %")
        message = (
            f"Only {share} of the parameters could be loaded, too little to examine. {message}"
        )
    raise CheckpointError(message, hint=_hint(summary, head, partial))


def _hint(summary: LoadSummary, head: str, partial: bool) -> str:
    if not summary.loaded:
        return "It belongs to another network, or --state-key has to name another part of it."
    if head:
        classes = summary.mismatched[0].in_file[0]
        build = f"Build the model with the file's classes (--model-arg num_classes={classes})"
        return build if partial else f"{build}, or accept a fresh head with --partial."
    if not (summary.missing or summary.mismatched):
        return "The model got all it has: --partial leaves the rest of the file aside."
    if partial:
        return "Check the network's arguments (--model-arg) and the part read (--state-key)."
    return "Check the network's arguments (--model-arg), or accept the difference with --partial."


def _head_mismatch(module: nn.Module, summary: LoadSummary) -> str:
    """A sentence when all that differs in shape is the number of classes."""
    pairs = {(one.in_file[:1], one.in_model[:1]) for one in summary.mismatched}
    others = any(one.in_file[1:] != one.in_model[1:] for one in summary.mismatched)
    owners = {one.name.rpartition(".")[0] for one in summary.mismatched}
    layers = [found for path, found in module.named_modules() if path in owners]
    heads = all(isinstance(layer, (nn.Linear, nn.Conv1d, nn.Conv2d)) for layer in layers)
    if len(pairs) != 1 or others or not heads or len(owners) > 3:
        return ""
    (file, model) = next(iter(pairs))
    if not file or not model:
        return ""
    names = ", ".join(sorted(owners))
    return f"Classifier head {names}: {file[0]} classes in the file, {model[0]} in the model"


def _list(shown: Iterable[str], every: Iterable[object] | None = None) -> str:
    names = [repr(name)[1:-1] for name in shown]  # a file's names may hold control characters
    total = len(names if every is None else list(every))
    rest = total - min(len(names), _SHOWN)
    return ", ".join(names[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def _shape(shape: tuple[int, ...]) -> str:
    return "×".join(str(size) for size in shape) or "a scalar"


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
