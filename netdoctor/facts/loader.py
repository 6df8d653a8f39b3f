"""What the batches of a loader hold: values, labels, order, duplicates, overlap."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from netdoctor.facts.target import TargetFacts

FieldKind = Literal["image", "dense", "tabular", "binary", "integers", "tokens", "other"]
"""image: 2 spatial axes and a few channels. dense: other numbers on axes (signals, spectrograms,
volumes). tabular: (N, F) numbers. binary: two values only. integers: whole numbers. tokens: ids."""

LabelKind = Literal[
    "class", "mask", "sequence", "one-hot", "multi-label", "soft", "regression", "text", "other"
]
Layout = Literal["channels-first", "channels-last", ""]
Split = Literal["train", "val"]


@dataclasses.dataclass(frozen=True, slots=True)
class Channels:
    """Statistics of the finite values of each channel, or of all where there are no channels.

    Attributes:
        mean, std, minimum, maximum: (C,), float64; NaN where there is no finite value.
        counts: (C, B) histogram, for a few channels; None for many.
        edges: (C, B + 1) of the histogram.
    """

    mean: NDArray[np.float64]
    std: NDArray[np.float64]
    minimum: NDArray[np.float64]
    maximum: NDArray[np.float64]
    counts: NDArray[np.int64] | None = None
    edges: NDArray[np.float64] | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class FieldFacts:
    """One tensor of the batches.

    Attributes:
        name: `input`, `input[1]`, `input_ids`, `target`, …
        role: `input` or `target`.
        dtype: `float32`; the Python type of what is no tensor.
        shape: of one sample; None for an axis whose length varies; empty for scalars.
        kind: what the values look like.
        layout: where the channels of an image are.
        samples, values: how many were seen.
        channels: statistics; None for what is no tensor.
        whole: share of the finite values that are whole numbers.
        zeros: share of the finite values that are 0.
        nan, inf: number of NaN and infinite values.
        nan_samples, inf_samples: samples that hold some.
        nan_at, inf_at: names of the first of those samples.
        mask: whether all infinities are -inf and everything else 0: an additive mask.
        partial_nan: whether every sample with NaN has finite values too.
        constant: samples of which all values are equal, or nearly; images and dense fields only.
        constant_at: names of the first of those samples.
        dead_channels: channels with one value in all samples, while others vary.
        padding: id that fills the ends of token rows; None where there is none.
        padded: share of the values that are such padding.
        empty_rows: token rows of padding alone.
        correlated: whether all channels of an image are the same.
        typical: median of the samples' deviations; NaN where there is none.
        far: samples whose deviation is many times that.
        far_deviation: the smallest of theirs.
        far_at: names of the first of those samples.
    """

    name: str
    role: Literal["input", "target"]
    dtype: str
    shape: tuple[int | None, ...]
    kind: FieldKind
    layout: Layout = ""
    samples: int = 0
    values: int = 0
    channels: Channels | None = None
    whole: float = 0.0
    zeros: float = 0.0
    nan: int = 0
    inf: int = 0
    nan_samples: int = 0
    inf_samples: int = 0
    nan_at: tuple[str, ...] = ()
    inf_at: tuple[str, ...] = ()
    mask: bool = False
    partial_nan: bool = False
    constant: int = 0
    constant_at: tuple[str, ...] = ()
    dead_channels: tuple[int, ...] = ()
    padding: int | None = None
    padded: float = 0.0
    empty_rows: int = 0
    correlated: bool = False
    typical: float = math.nan
    far: int = 0
    far_deviation: float = math.nan
    far_at: tuple[str, ...] = ()

    @property
    def minimum(self) -> float:
        """The smallest finite value; NaN without any."""
        return _over(np.nanmin, self.channels.minimum) if self.channels else math.nan

    @property
    def maximum(self) -> float:
        """The largest finite value; NaN without any."""
        return _over(np.nanmax, self.channels.maximum) if self.channels else math.nan

    @property
    def mean(self) -> float:
        """The mean over all channels, each of the same weight."""
        return _over(np.nanmean, self.channels.mean) if self.channels else math.nan

    @property
    def std(self) -> float:
        """The standard deviation of all values, channels of the same size."""
        if self.channels is None or not np.isfinite(self.channels.mean).all():
            return math.nan
        with np.errstate(over="ignore", invalid="ignore"):
            between = self.channels.mean.var()
            return float(np.sqrt((self.channels.std**2).mean() + between))


def _over(reduce: Any, values: NDArray[np.float64]) -> float:
    return float(reduce(values)) if np.isfinite(values).any() else math.nan


@dataclasses.dataclass(frozen=True, slots=True)
class LabelFacts:
    """The targets.

    Attributes:
        field: name of the target.
        kind: what they are.
        dtype: `int64`.
        shape: of one sample's target; None for an axis whose length varies.
        samples: how many targets were seen.
        counts: by class index in the order of the index, what is ignored left out; for class,
            mask, sequence and one-hot targets; for multi-label ones how often each column is 1.
        ignored: how often each of -100, 255 in a mask, and -1 in a mask or sequence was seen.
        classes: how many there are, as the user or the model says; None where nobody does.
        classes_from: `--num-classes` or `the model`; empty where nobody says.
        distinct: number of different values of regression targets, while they are few.
        whole: whether all values are whole numbers.
        minimum, maximum: of the finite values, what is ignored left out.
        bad_at: names of the first samples whose label is out of range.
        column: whether class indices come as (N, 1).
    """

    field: str
    kind: LabelKind
    dtype: str
    shape: tuple[int | None, ...]
    samples: int
    counts: Mapping[int, int] = dataclasses.field(default_factory=dict)
    ignored: Mapping[int, int] = dataclasses.field(default_factory=dict)
    classes: int | None = None
    classes_from: str = ""
    distinct: int | None = None
    whole: bool = False
    minimum: float | None = None
    maximum: float | None = None
    bad_at: tuple[str, ...] = ()
    column: bool = False

    @property
    def total(self) -> int:
        """How many class indices were counted."""
        return sum(self.counts.values())


@dataclasses.dataclass(frozen=True, slots=True)
class OrderFacts:
    """In which order the class labels came.

    Attributes:
        drawn: how the loader draws: sequential, random, weighted, own (a sampler of the user's),
            unknown.
        ready: whether the order is the user's loader's, not netdoctor's.
        labels: how many were seen.
        runs: stretches of equal labels.
        expected: how many a random order has on average.
        deviations: by how many standard deviations there are fewer.
        single_class_batches: share of the batches of several samples with one class only.
        repeats: whether every pass has the same order; None where nobody knows.
        elsewhere: classes among a few samples from the rest of the data set; empty without a look.
    """

    drawn: str
    ready: bool
    labels: int = 0
    runs: int = 0
    expected: float = 0.0
    deviations: float = 0.0
    single_class_batches: float = 0.0
    repeats: bool | None = None
    elsewhere: tuple[int, ...] = ()

    @property
    def probability(self) -> float:
        """Of so few runs in a random order (normal approximation, one-sided)."""
        return 0.5 * math.erfc(self.deviations / math.sqrt(2))


@dataclasses.dataclass(frozen=True, slots=True)
class Pair:
    """Two samples with the same, or nearly the same, input.

    Attributes:
        first, second: their names.
        labels: of both, where they are class indices.
        similarity: correlation of the inputs at low resolution; 1 for exact copies.
        same_label: whether the targets are equal; None without targets.
        pictures: both as (H, W) or (H, W, 3) arrays, where they can be shown.
    """

    first: str
    second: str
    similarity: float
    labels: tuple[int | None, int | None] = (None, None)
    same_label: bool | None = None
    pictures: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class CopyFacts:
    """Samples whose input is the same as another's.

    Attributes:
        compared: samples whose inputs were compared; those of one value only are left out.
        exact: copies beyond the first of each input; between splits: samples that occur in both.
        near: likewise, of inputs that are nearly the same.
        conflicting: exact copies whose targets differ.
        pairs: the first of them, exact ones first.
        natural: whether equal inputs are to be expected: few or whole values, short sequences.
        reason: why nothing was compared; empty otherwise.
        images: whether near copies were looked for.
        other: samples of the other split; 0 within one.
    """

    compared: int = 0
    exact: int = 0
    near: int = 0
    conflicting: int = 0
    pairs: tuple[Pair, ...] = ()
    natural: bool = False
    reason: str = ""
    images: bool = False
    other: int = 0
    other_name: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Ragged:
    """A batch that could not be put together.

    Attributes:
        batch: its number, counted from 0.
        samples: (name, types and shapes) of its samples.
        reason: what the collation said.
        odd: names and shapes of the samples that differ from most; empty when none does.
        usual: types and shapes of most samples.
    """

    batch: int
    samples: tuple[tuple[str, str], ...]
    reason: str
    odd: tuple[tuple[str, str], ...] = ()
    usual: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class ModelFacts:
    """What of a model matters for its data.

    Attributes:
        name: of the model.
        batch_norm: whether it has batch norm layers.
        first_norm: whether it begins with a norm layer, which takes any scale.
        channels: that its first convolution takes; None without one.
        takes: whether it took a batch; None where none was tried.
        refusal: what it said otherwise.
        outputs: length of its output's class axis; None where there is none.
        loss: that the user named; empty where nobody did.
    """

    name: str
    batch_norm: bool = False
    first_norm: bool = False
    channels: int | None = None
    takes: bool | None = None
    refusal: str = ""
    outputs: int | None = None
    loss: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Shown:
    """A sample for the contact sheet.

    Attributes:
        picture: (H, W) or (H, W, 3), values as the network gets them.
        name: of the sample.
        label: its class index, or a short text; empty without.
        why: what is odd about it; empty for ordinary samples.
    """

    picture: NDArray[np.float32]
    name: str
    label: str = ""
    why: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class LoaderFacts:
    """Everything that was measured.

    Attributes:
        source: what was scanned.
        samples, batches: how many.
        total: samples in the data set; None where not known.
        whole: whether the scan covers one whole pass.
        batch_size: of a full batch; None where it varies or nobody says.
        last_batch: samples in a pass's last batch; None where not known.
        split: train or val; None where nobody says.
        order: how the samples came.
        fields: the tensors of the batches.
        labels: the targets; None without any.
        copies: equal inputs within the data.
        overlap: inputs that another split has too; None where none was named.
        ragged: the batch that could not be put together; None when all could.
        model: None without one.
        refused: the target that the model's loss refused.
        shown: samples for the contact sheet, odd ones first.
        random: whether the order in which the samples came is random, so that they stand for all.
        seconds: that the scan took.
    """

    source: str
    samples: int
    batches: int
    order: OrderFacts
    total: int | None = None
    whole: bool = True
    batch_size: int | None = None
    last_batch: int | None = None
    split: Split | None = None
    fields: tuple[FieldFacts, ...] = ()
    labels: LabelFacts | None = None
    copies: CopyFacts = dataclasses.field(default_factory=CopyFacts)
    overlap: CopyFacts | None = None
    ragged: Ragged | None = None
    model: ModelFacts | None = None
    refused: TargetFacts | None = None
    shown: tuple[Shown, ...] = ()
    seconds: float = 0.0
    seed: int = 0

    @property
    def representative(self) -> bool:
        """Whether the samples stand for the whole data set: all of it, or drawn at random."""
        return self.whole or self.order.drawn in ("random", "weighted")

    @property
    def inputs(self) -> tuple[FieldFacts, ...]:
        """The fields that go to the network."""
        return tuple(each for each in self.fields if each.role == "input")
