"""What the batches of a loader hold: values, labels, order, duplicates, overlap."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from netdoctor.facts.loader_fields import FieldFacts
from netdoctor.facts.target import TargetFacts

LabelKind = Literal[
    "class", "mask", "sequence", "one-hot", "multi-label", "soft", "regression", "text", "other"
]
Split = Literal["train", "val"]


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
