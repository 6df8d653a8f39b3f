"""What check-weights saw of each file."""

from __future__ import annotations

import dataclasses

from netdoctor.facts.weights import UNKNOWN, WeightFacts


@dataclasses.dataclass(frozen=True, slots=True)
class TensorChange:
    """How a tensor differs from the one of its name in an earlier file.

    Attributes:
        name: of the tensor.
        role: what it is to its layer.
        change: `identical`, `changed`, `new`, `missing`, `shape`, or `unknown` where it could not
            be compared.
        largest: the largest absolute difference of two finite values.
        relative: L2 norm of the difference over that of the earlier values; infinite where those
            are all zero.
        became_nan: values that are NaN or infinite now and were finite.
        dtype: the earlier type, where it is another.
    """

    name: str
    role: str
    change: str
    largest: float = UNKNOWN
    relative: float = UNKNOWN
    became_nan: int = 0
    dtype: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class ChangeFacts:
    """The weights of a file beside those of an earlier one.

    Attributes:
        source: the file.
        against: the earlier file.
        tensors: in the file's order; missing ones last.
    """

    source: str
    against: str
    tensors: tuple[TensorChange, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class FileFacts:
    """A file, or a sharded set, that was read to its end.

    Attributes:
        path: as the user named it.
        format: `safetensors`, `torch zip`, `torch legacy`, `sharded`.
        size: bytes of all its files.
        weights: its tensors; what could not be examined is left out.
        not_examined: name and reason of each tensor that was not.
        not_read: objects of other classes that it holds, as `key (class)`.
        thorough: whether filters, zeros and moments of large tensors were measured too.
        changes: beside an earlier file, where one was given.
    """

    path: str
    format: str
    size: int
    weights: WeightFacts
    not_examined: tuple[tuple[str, str], ...] = ()
    not_read: tuple[str, ...] = ()
    thorough: bool = True
    changes: ChangeFacts | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class RefusedFile:
    """A file that could not be examined, with the error's kind, message and hint."""

    path: str
    kind: str
    message: str
    hint: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class WeightFileFacts:
    """All files of one run, in the order in which they were named."""

    files: tuple[FileFacts | RefusedFile, ...]

    @property
    def refused(self) -> tuple[RefusedFile, ...]:
        """Those that could not be examined."""
        return tuple(each for each in self.files if isinstance(each, RefusedFile))
