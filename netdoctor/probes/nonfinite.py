"""Follows NaN and infinities from call to call, back to where they first came from."""

from __future__ import annotations

import dataclasses
import math
import weakref
from collections.abc import Iterable, Sequence
from typing import Literal

import torch
from torch import Tensor

from netdoctor.facts.forward import Origin, Stage, ValueRange
from netdoctor.observe import Call
from netdoctor.probes.ranges import code_at, dtype_of, range_of, samples_with, shares, size_of
from netdoctor.probes.reasons import numbers_of, reason_of
from netdoctor.probes.state import State, counted, is_finite

# They give back values that they were given; the rest of a tensor they leave alone.
MOVES = frozenset(
    {"view", "reshape", "flatten", "unflatten", "ravel", "squeeze", "unsqueeze", "expand",
     "expand_as", "broadcast_to", "contiguous", "detach", "requires_grad", "view_as", "reshape_as",
     "permute", "transpose", "swapaxes", "swapdims", "movedim", "moveaxis", "t", "adjoint",
     "getitem", "select", "narrow", "chunk", "split", "tensor_split", "unbind", "as_strided",
     "diagonal", "unfold", "real", "imag", "view_as_real", "view_as_complex", "numpy", "cpu",
     "cuda", "pin_memory", "roll", "flip"}
)  # fmt: skip
# With them a program writes minus infinity where it wants a softmax to ignore something.
_WRITE_CONSTANTS = frozenset(
    {"masked_fill", "where", "full", "full_like", "new_full", "fill", "setitem", "tensor",
     "new_tensor", "as_tensor", "scalar_tensor", "index_fill", "masked_scatter", "scatter",
     "triu", "tril", "pad", "index_put", "index_copy"}
)  # fmt: skip
# With them a program replaces what is not finite; after the last three a gradient still sees it.
_CLEAN = frozenset({"nan_to_num", "where", "masked_fill", "setitem"})
_COPIES = frozenset({"copy", "clone", "cat", "stack"})

Mark = Literal["mask", "computed", "sick"]


@dataclasses.dataclass(slots=True)
class _Carried:
    """What is known of a tensor that holds values which are not finite."""

    tensor: weakref.ref[Tensor]
    mark: Mark
    origin: Origin | None = None
    blamed: tuple[str, ...] = ()  # sick parameters and buffers behind it


class Detective:
    """Sees every call of a batch with non-finite values, and tells where they began.

    Minus infinity that a program writes to mask logits is no fault as long as what reads it gives
    numbers; the logarithm of zero is one as soon as NaN or the output follows from it.

    Attributes:
        origins: by subject, in the order in which they were seen.
        first_uses: of sick parameters and buffers, by name: the call that read them, its source.
        consequences: by the same name, the calls that are not finite because of it.
    """

    def __init__(self, state: State | None = None) -> None:
        """Takes the parameters and buffers that are not finite."""
        self.origins: dict[str, Origin] = {}
        self.first_uses: dict[str, tuple[str, str]] = {}
        self.consequences: dict[str, set[str]] = {}
        self._sick = {id(each): name for name, each in state.sick.items()} if state else {}
        self._stored = (
            {each.untyped_storage().data_ptr(): name for name, each in state.sick.items()}
            if state
            else {}
        )
        self._masks = state.masks if state else []
        self._carried: dict[int, _Carried] = {}
        self._ranges: dict[int, tuple[weakref.ref[Tensor], float, float]] = {}
        self._batch = self._size = 0
        self._names: Sequence[str] = ()
        self._cleaned: set[str] = set()

    def begin(self, batch: int, size: int, names: Sequence[str] = ()) -> None:
        """Forgets the tensors of the batch before; `names` are those of its samples."""
        self._batch, self._size, self._names = batch, size, names
        self._ranges.clear()
        self._carried.clear()
        self._cleaned.clear()
        for each in self._masks:
            self._carry(each, "mask")

    def take_input(self, name: str, tensor: Tensor, *, stage: Stage = "input") -> None:
        """Looks at a tensor of the batch."""
        nan, inf, negative = counted(tensor)
        if nan + inf == 0:
            given = range_of(name, tensor)
            self._ranges[id(tensor)] = (weakref.ref(tensor), given.minimum, given.maximum)
            return
        if nan == 0 and inf == negative and stage == "input":
            self._carry(tensor, "mask")
            return
        reason = "the data hold them before the model has seen them"
        samples = self._samples(tensor)
        origin = Origin(
            stage, name, "", "", "", reason, nan, inf, size_of(tensor), self._batch, samples,
            self._names_of(samples), (range_of(name, tensor),),
        )  # fmt: skip
        self._add(origin)
        self._carry(tensor, "sick", origin)

    def take_loss(self, *origins: Origin) -> None:
        """Takes what was found about a loss that is not finite although the output is."""
        for each in origins:
            names = tuple(self._names[at] for at in each.samples if at < len(self._names))
            self._add(dataclasses.replace(each, batch=self._batch, names=names))

    @property
    def suspicious(self) -> bool:
        """Whether some tensor of this batch holds values that are not finite."""
        return bool(self._carried)

    def note_cleaning(self, call: Call) -> None:
        """Notes what a call with a finite output puts right on purpose; before `remember`."""
        if call.name in _CLEAN:
            for each in call.inputs:
                found = self._of(each)
                if found is None or found.origin is None:
                    continue
                if call.name == "nan_to_num" or found.origin.stage == "input":
                    self._cleaned.add(found.origin.subject)

    def remember(self, tensor: Tensor, low: float, high: float) -> None:
        """Notes the range of a finite output, for what an in-place operation makes of it."""
        self._ranges[id(tensor)] = (weakref.ref(tensor), low, high)
        if self._carried:
            self._carried.pop(id(tensor), None)

    def moved(self, call: Call) -> None:
        """Follows values that a call only moves; to be told of every such call."""
        known = self.known_range(call.inputs[0]) if call.inputs else None
        if known is not None:
            for tensor in call.outputs:
                self._ranges[id(tensor)] = (weakref.ref(tensor), *known)
        blamed = tuple(self.note_reads(call))
        if not self._carried and not blamed:
            return
        source = next((found for each in call.inputs if (found := self._of(each))), None)
        if blamed:
            source = _Carried(weakref.ref(call.inputs[0]), "sick", None, blamed)
        if source is not None:
            for tensor in call.outputs:
                if not bool(tensor.isfinite().all()):
                    self._carry(tensor, source.mark, source.origin, source.blamed)

    def uninitialised(self, call: Call) -> None:
        """Takes in new memory: a fault only where something reads it before it is written."""
        for tensor in call.outputs:
            nan, inf, _ = counted(tensor)
            if nan + inf:
                origin = self._origin(call, tensor, nan, inf)
                self._carry(tensor, "computed", origin)

    def note_reads(self, call: Call) -> list[str]:
        """The sick parameters and buffers that a call reads; the first such call is noted."""
        if not self._sick:
            return []
        names = [name for each in _read_by(call) if (name := self._sick_state(each))]
        for name in names:
            if name not in self.first_uses:
                self.first_uses[name] = (str(call.site), call.source())
        return names

    def _sick_state(self, tensor: Tensor) -> str | None:
        """The sick parameter or buffer that a tensor is, or of which it is a view."""
        name = self._sick.get(id(tensor))
        if name is None and tensor.layout == torch.strided:
            name = self._stored.get(tensor.untyped_storage().data_ptr())
            name = None if name is None or is_finite(tensor) else name
        return name

    def is_mask(self, tensor: Tensor) -> bool:
        """Whether the infinities in it are only meant to mask something."""
        found = self._of(tensor)
        return found is not None and found.mark == "mask"

    def judge(self, call: Call, tensor: Tensor, nan: int, inf: int, negative: int) -> None:
        """Takes in an output that is not finite: is it where that began, or what follows?"""
        subject = str(call.site)
        sources = self._sources(call, tensor)
        blamed = [*self.note_reads(call), *(name for each in sources for name in each.blamed)]
        masked = nan == 0 and inf == negative
        for name in blamed:
            self.consequences.setdefault(name, set()).add(subject)
        if blamed or any(each.mark == "sick" for each in sources):
            origin = next((each.origin for each in sources if each.origin), None)
            self._carry(tensor, "sick", origin, tuple(dict.fromkeys(blamed)))
            return
        computed = next((each for each in sources if each.mark == "computed"), None)
        if computed is not None:
            if masked or call.name in _WRITE_CONSTANTS | _COPIES:
                self._carry(tensor, "computed", computed.origin)
                return
            self._promote(computed, subject)
            self._carry(tensor, "sick", computed.origin)
            return
        if nan == 0 and (sources or _writes_infinity(call)):
            self._carry(tensor, "mask")
            return
        origin = self._origin(call, tensor, nan, inf)
        if masked or any(each != each for each in numbers_of(call)):  # a NaN that is spelled out
            self._carry(tensor, "computed", origin)
            return
        self._add(origin)
        self._carry(tensor, "sick", origin)

    def end(self, outputs: Sequence[Tensor]) -> None:
        """Takes the model's output: the logarithm of zero must not be part of it.

        What the program itself puts right is no fault where the output is finite.
        """
        if self._cleaned and all(map(is_finite, outputs)):
            for subject in self._cleaned:
                if self.origins[subject].batch == self._batch:
                    del self.origins[subject]
        for each in outputs:
            found = self._of(each)
            if found is not None and found.mark == "computed" and not is_finite(each):
                self._promote(found, "the output")

    def _promote(self, carried: _Carried, what_follows: str) -> None:
        if carried.origin is not None:
            carried.mark = "sick"
            reason = f"{carried.origin.reason}; {what_follows} follows from it"
            carried.origin = dataclasses.replace(carried.origin, reason=reason)
            self._add(carried.origin)

    def _add(self, origin: Origin) -> None:
        first = self.origins.get(origin.subject)
        if first is None:
            self.origins[origin.subject] = origin
        elif first.batch != origin.batch:
            self.origins[origin.subject] = dataclasses.replace(first, batches=first.batches + 1)

    def _sources(self, call: Call, output: Tensor) -> list[_Carried]:
        """The inputs of a call that are not finite."""
        found = []
        for each in call.inputs:
            known = self._of(each)
            if known is not None:
                if shares(each, output) or not is_finite(each):  # overwritten since by a view
                    found.append(known)
            elif each is not output and id(each) not in self._sick:
                nan, inf, negative = counted(each)  # made where nobody could watch
                if nan == 0 and 0 < inf == negative:
                    found.append(_Carried(weakref.ref(each), "mask"))
        if any(each != each for each in numbers_of(call)):  # as x.item() gives it
            found += [each for each in self._carried.values() if each.mark == "sick"][-1:]
        return found

    def _origin(self, call: Call, tensor: Tensor, nan: int, inf: int) -> Origin:
        source = call.source()
        own = (
            call.module.parameters(recurse=False) if call.watch == "module" and call.module else ()
        )
        inputs = [self._range_of(each, call, tensor) for each in (*call.inputs, *own)]
        reason = reason_of(call, tensor, inputs, self._live(call, tensor))
        samples = self._samples(tensor)
        return Origin(
            "forward", str(call.site), call.name, source, code_at(source), reason, nan, inf,
            size_of(tensor), self._batch, samples, self._names_of(samples), tuple(inputs),
        )  # fmt: skip

    def _live(self, call: Call, output: Tensor) -> Sequence[Tensor]:
        """The inputs that still hold what the call was given."""
        return [each for each in call.inputs if not shares(each, output)]

    def _range_of(self, tensor: Tensor, call: Call, output: Tensor) -> ValueRange:
        name = "input"
        if call.module is not None:
            own = {id(each): name for name, each in call.module.named_parameters()}
            own |= {id(each): name for name, each in call.module.named_buffers()}
            name = own.get(id(tensor), "input")
        if not shares(tensor, output):
            return range_of(name, tensor)
        low, high = self.known_range(tensor) or (math.nan, math.nan)
        shape, dtype = tuple(tensor.shape), dtype_of(tensor)
        return ValueRange(name, shape, dtype, low, high, overwritten=True)

    def known_range(self, tensor: Tensor) -> tuple[float, float] | None:
        """The range of a finite tensor when it was made; of a part that of the whole."""
        entry = self._ranges.get(id(tensor))
        return entry[1:] if entry is not None and entry[0]() is tensor else None

    def _carry(
        self,
        tensor: Tensor,
        mark: Mark,
        origin: Origin | None = None,
        blamed: tuple[str, ...] = (),
    ) -> None:
        self._carried[id(tensor)] = _Carried(weakref.ref(tensor), mark, origin, blamed)
        if tensor._base is not None:
            whole = tensor._base
            self._carried[id(whole)] = _Carried(weakref.ref(whole), mark, origin, blamed)

    def _of(self, tensor: Tensor) -> _Carried | None:
        entry = self._carried.get(id(tensor))
        if entry is not None and entry.tensor() is tensor:
            return entry
        return self._of(tensor._base) if tensor._base is not None else None

    def _names_of(self, samples: Sequence[int]) -> tuple[str, ...]:
        return tuple(self._names[at] for at in samples if at < len(self._names))

    def _samples(self, tensor: Tensor) -> tuple[int, ...]:
        return samples_with(~tensor.isfinite(), self._size)


def _read_by(call: Call) -> Iterable[Tensor]:
    """What a call reads: its arguments, and a module's own state."""
    yield from call.inputs
    if call.watch == "module" and call.module is not None:
        yield from call.module.parameters()
        yield from call.module.buffers()


def _writes_infinity(call: Call) -> bool:
    """Whether a call writes infinities that its program spells out."""
    if call.watch == "module":
        return False
    if any(math.isinf(each) for each in numbers_of(call)):
        return True
    return call.name in _WRITE_CONSTANTS and _infinite(call) > 0


def _infinite(call: Call) -> int:
    return sum(int(each.isinf().sum()) for each in call.outputs)
