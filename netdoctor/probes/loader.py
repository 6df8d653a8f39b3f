"""Scans a loader: values, labels, order, copies and overlap in one pass over its batches."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Hashable, Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from netdoctor.errors import DataError
from netdoctor.facts.loader import CopyFacts, LabelFacts, LoaderFacts, Ragged, Split
from netdoctor.facts.loader_fields import FieldFacts, Layout
from netdoctor.inputs.loaders import CollateError
from netdoctor.inputs.open_loader import most_batches
from netdoctor.inputs.scan import LoaderSource, RawBatch
from netdoctor.probes.batch_fields import Field, Fields, fields_of
from netdoctor.probes.compared import compared, differ, is_coarse
from netdoctor.probes.copies import Printed, copies_between, copies_within
from netdoctor.probes.data_model import ModelTrial
from netdoctor.probes.field_values import FieldScan
from netdoctor.probes.image_layout import layout_of
from netdoctor.probes.labels import LabelScan
from netdoctor.probes.order import order_facts
from netdoctor.probes.prints import SIDE, PrintScan
from netdoctor.probes.rereading import again, lasting, stays_blank
from netdoctor.probes.sheet import SheetScan, picture_of

Progress = Callable[[int, int], None]


def measure(
    source: LoaderSource,
    *,
    batches: int | None = 50,
    against: LoaderSource | None = None,
    trial: ModelTrial | None = None,
    classes: int | None = None,
    split: Split | None = None,
    progress: Progress | None = None,
) -> LoaderFacts:
    """What the batches hold.

    Args:
        source: the loader, which is left as it is.
        batches: how many to scan; None for one whole pass.
        against: another split, of which all is compared.
        trial: of the model that the data are for.
        classes: how many classes there are; None to take the model's outputs.
        split: what the data are for, where that is known.
        progress: told (batches done, batches at most).

    Raises:
        DataError: there is no sample, or a batch cannot be read.
    """
    began = time.perf_counter()
    scan = _Scan(trial)
    ragged = scan.run(source, batches, progress)
    if not scan.samples and ragged is None:
        raise DataError(
            f"{source.description} gives no sample: it is empty.",
            hint="Check its path or filter; drop_last leaves out a batch that is not full.",
        )
    reread = again(source, scan.indices)
    fields = tuple(each.read(_lasting(each, scan, source)) for each in scan.fields.values())
    model = trial.read() if trial else None
    known, said = classes, "--num-classes" if classes is not None else ""
    if known is None and model is not None and model.outputs is not None:
        known, said = model.outputs, "the model"
    labels = scan.labels.read(known, said) if scan.labels else None
    printed = scan.printed(source)
    reading = _reading(fields, labels, scan)
    copies = _no_copies(fields, source, scan, reading)
    if copies is None:
        copies = copies_within(printed, scan.picture(source, printed), again=reread, **reading)
    overlap = None
    if against is not None and ragged is None:
        overlap = _overlap(scan, source, printed, against, reading)
    return LoaderFacts(
        source=source.description, samples=scan.samples, batches=len(scan.sizes),
        order=order_facts(
            source, scan.labels.indices() if scan.labels else np.zeros(0, np.int64), scan.sizes,
            whole=scan.exhausted and source.whole,
        ),
        total=source.total, whole=scan.exhausted and source.whole,
        batch_size=(source.batch_size or max(scan.sizes, default=None)) if source.ready else None,
        last_batch=_last_batch(source, scan), split=split, fields=fields, labels=labels,
        copies=copies, overlap=overlap, ragged=ragged, model=model,
        refused=trial.refused if trial else None, shown=scan.sheet.read(),
        seconds=time.perf_counter() - began, seed=source.seed,
    )  # fmt: skip


class _Scan:
    """One pass over a loader, with everything that is added up on the way."""

    def __init__(self, trial: ModelTrial | None = None) -> None:
        self.trial = trial
        self.fields: dict[str, FieldScan] = {}
        self.labels: LabelScan | None = None
        self.prints = PrintScan()
        self.sheet = SheetScan()
        self.sizes: list[int] = []
        self.indices: list[Hashable] | None = []
        self.exhausted = self.views = False

    @property
    def samples(self) -> int:
        """How many were seen."""
        return sum(self.sizes)

    def run(
        self, source: LoaderSource, limit: int | None, progress: Progress | None = None
    ) -> Ragged | None:
        """Scans the batches; what of a batch that could not be put together is to be told."""
        most = most_batches(source, limit)
        try:
            stream = source.batches(None if most is None else most + 1)
            for number, batch in enumerate(stream):
                if number == most:
                    break
                self._add(batch, source)
                if progress is not None:
                    progress(number + 1, most or 0)
            else:
                self.exhausted = True
        except CollateError as error:
            return ragged_from(error, source)
        except _NoTensorsError as error:
            return Ragged(len(self.sizes), (), error.message)
        return None

    def _add(self, batch: RawBatch, source: LoaderSource) -> None:
        fields = fields_of(batch.raw, batch.indices)
        if not fields.size:
            return
        if not any(each.role == "input" for each in fields.tensors):
            raise _no_tensors(fields)
        indices = batch.indices
        if indices is not None and len(indices) != fields.size:
            self.views |= len(indices) < fields.size
            indices = None
        start = self.samples
        if self.indices is not None and indices is not None:
            self.indices += indices
        else:
            self.indices = None

        def name(row: int) -> str:
            # A detector's targets may have a row for each box, and name no sample.
            known = indices is not None and row < len(indices)
            return source.name(indices[row]) if indices and known else str(start + row)

        self.sizes.append(fields.size)
        if self.trial is not None and len(self.sizes) == 1:
            self.trial(batch.raw)
        self._add_labels(fields, name)
        self._add_values(fields, name)

    def _add_labels(self, fields: Fields, name: Callable[[int], str]) -> None:
        found = [each for each in fields.fields if each.role == "target"]
        target = found[0] if len(found) == 1 else _the_label(found)
        if target is None:
            return
        if self.labels is None:
            self.labels = LabelScan(target)
        inputs = [
            tuple(each.values.shape[1:])
            for each in fields.fields
            if each.role == "input" and isinstance(each.values, Tensor)
        ]
        self.labels.add(target, name, inputs)

    def _add_values(self, fields: Fields, name: Callable[[int], str]) -> None:
        shown = False
        for field in fields.tensors:
            scan = self.fields.setdefault(field.name, FieldScan(field.name, field.role, field.kind))
            sequences = isinstance(field.values, Tensor) and field.values.ndim == 2
            scan.add(field, name, sequences=sequences and field.role == "input")
            if field.role == "input" and not shown and isinstance(field.values, Tensor):
                shown = True
                if field.values.ndim in (3, 4) and field.values.numel():
                    stats, label = scan.per_sample[-1], self._label_text(fields)
                    clean = scan.finite == scan.values
                    self.sheet.add(field.values, scan.layout, stats, name, label, clean=clean)
        kept = compared(fields, self.indices[-fields.size :] if self.indices is not None else ())
        first = kept[0] if kept else None
        layout: Layout = layout_of(first) if isinstance(first, Tensor) else ""
        large = isinstance(first, Tensor) and min(first.shape[-2:], default=0) >= SIDE
        if kept:
            self.prints.add(kept, layout if large else "")

    def _label_text(self, fields: Fields) -> Callable[[int], str]:
        target = next((each for each in fields.fields if each.role == "target"), None)
        values = target.values if target is not None else None

        def text(row: int) -> str:
            if isinstance(values, Tensor) and values.ndim and row < len(values):
                each = values[row].flatten()
                if each.numel() == 1:
                    return f"{each.item():.4g}"
                if values.ndim == 2 and values.shape[1] <= 1000 and int((each != 0).sum()) <= 3:
                    return ",".join(map(str, (each != 0).nonzero().flatten().tolist()))
            if isinstance(values, list) and row < len(values) and isinstance(values[row], str):
                return str(values[row])[:12]
            return ""

        return text

    def printed(self, source: LoaderSource) -> Printed:
        """The samples' fingerprints, names and targets."""
        prints, indices = self.prints.read(), self.indices
        names = [source.name(each) for each in indices] if indices is not None else None
        count = len(prints.content)
        identities = None
        if indices is not None:
            identities = [source.identity(each) for each in indices]
        return Printed(
            prints, identities, names or [str(place) for place in range(count)],
            self.labels.key_of() if self.labels else np.zeros(0, np.uint64),
            self.labels.indices() if self.labels else np.zeros(0, np.int64),
        )  # fmt: skip

    def picture(
        self, source: LoaderSource, printed: Printed
    ) -> Callable[[int], NDArray[np.float32] | None]:
        """What a sample looks like: read once more, else at low resolution."""

        def shown(place: int) -> NDArray[np.float32] | None:
            raw = None if self.indices is None else source.sample(self.indices[place])
            if raw is not None:
                for field in fields_of(raw, None).tensors:
                    if field.role == "input" and isinstance(field.values, Tensor):
                        return picture_of(field.values[0], layout_of(field.values))
            if place < len(printed.prints.small):
                small: NDArray[np.float32] = printed.prints.small[place].astype(np.float32)
                return small.reshape(SIDE, SIDE)
            return None

        return shown


def _lasting(
    field: FieldScan, scan: _Scan, source: LoaderSource
) -> Callable[[list[int], float], list[int]] | None:
    """Which blank samples of an input are blank whenever they are read."""
    reread = again(source, scan.indices, field.name)
    if reread is None or field.role != "input" or field.samples != scan.samples:
        return None
    return lambda blank, spread: lasting(blank, stays_blank(reread, spread))


class _NoTensorsError(DataError):
    """A batch of objects that are no tensors, such as images that nobody converted."""


def _no_tensors(fields: Fields) -> DataError:
    kinds = sorted({each.kind for each in fields.fields})
    if any("Image" in kind for kind in kinds):
        return _NoTensorsError(f"the batch holds {', '.join(kinds)} objects where tensors belong")
    return DataError(
        f"A batch holds {', '.join(kinds) or 'nothing'}: there is no tensor for the model in it.",
        hint="A batch is (inputs, target), a mapping of keywords, or a lone tensor.",
    )


def _the_label(found: Sequence[Field]) -> Field | None:
    """Of a nested target the part that says the class."""
    named = [each for each in found if each.name.rpartition(".")[2] in ("labels", "label")]
    return next(iter(named or found), None)


def ragged_from(error: CollateError, source: LoaderSource) -> Ragged:
    """The batch that could not be put together, and which of its samples differ from most."""
    samples = tuple((source.name(index), shapes) for index, shapes in error.samples)
    kinds = Counter(shapes for _, shapes in samples)
    usual = kinds.most_common(1)[0][0] if kinds else ""
    odd = tuple(each for each in samples if each[1] != usual)
    return Ragged(error.batch, samples, error.reason or error.message, odd, usual)


def _reading(
    fields: Sequence[FieldFacts], labels: LabelFacts | None, scan: _Scan
) -> dict[str, bool]:
    """Whether equal inputs are to be expected, and whether images are compared by their looks."""
    inputs = [each for each in fields if each.role == "input"]
    return {
        "natural": all(is_coarse(each) for each in inputs),
        "near": bool(inputs) and inputs[0].kind == "image",
        "paired": labels is not None and labels.kind in ("sequence", "text"),
    }


def _no_copies(
    fields: Sequence[FieldFacts], source: LoaderSource, scan: _Scan, reading: dict[str, bool]
) -> CopyFacts | None:
    """Why samples are not compared; None where they are."""
    reason = ""
    if not any(each.role == "input" for each in fields):
        reason = "there is no input to compare"
    elif scan.views:
        reason = "batches hold several views of each sample, which are alike by nature"
    elif scan.indices is None and not scan.exhausted:
        reason = "samples may come again: neither their indices nor the end of a pass is known"
    elif len(scan.prints.read().content) != scan.samples:
        reason = "the samples of a batch cannot be told apart"
    return CopyFacts(reason=reason, natural=reading["natural"]) if reason else None


def _overlap(
    scan: _Scan, source: LoaderSource, printed: Printed, against: LoaderSource,
    reading: dict[str, bool],
) -> CopyFacts:  # fmt: skip
    other = _Scan()
    other.run(against, None)
    if not other.samples:
        raise DataError(
            f"{against.description} gives no sample: it is empty.", hint="Check --against."
        )
    theirs = other.printed(against)
    pictures = (scan.picture(source, printed), other.picture(against, theirs))
    if len(printed.prints.content) != scan.samples or len(theirs.prints.content) != other.samples:
        return CopyFacts(
            reason="the samples of a batch cannot be told apart", other=other.samples,
            other_name=against.description,
        )  # fmt: skip
    if apart := differ(scan.fields.values(), other.fields.values()):
        return CopyFacts(reason=apart, other=other.samples, other_name=against.description)
    named = against.description
    return copies_between(printed, theirs, pictures, other_name=named, **reading)


def _last_batch(source: LoaderSource, scan: _Scan) -> int | None:
    """From the sampler, else as the end of a whole pass showed."""
    known = source.last_batch
    if known is None and scan.exhausted and source.ready and len(scan.sizes) > 1:
        known = scan.sizes[-1]
    return known
