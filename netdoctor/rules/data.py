"""DAT001, DAT002, DAT008, DAT011, DAT012 and DAT016: what the batches of a loader hold."""

from __future__ import annotations

from collections.abc import Iterator

from netdoctor.facts.loader import LoaderFacts
from netdoctor.facts.loader_fields import FieldFacts
from netdoctor.report import Severity
from netdoctor.rules.core import Hit, Skip, rule

_NOTHING = "no batch could be read"


@rule("DAT001", "nan-input", Severity.ERROR)
def nan_input(facts: LoaderFacts, *, threshold: int = 1) -> Iterator[Hit | Skip]:
    """NaN in the data.

    Measures: the number of samples with NaN in a field; `threshold` or more are a finding.

    Why: one NaN makes the loss NaN, and with it every weight.

    False alarm: targets of which some entries are marked as missing by NaN; those of several
    columns are not reported, where every sample has some that are not NaN.

    Remedy: fill or leave out those samples, and look for the division or logarithm that made them.

    Source: house heuristic.
    """
    if not facts.fields:
        yield Skip(_NOTHING)
    for field in facts.fields:
        if field.role == "target" and field.partial_nan:
            yield Skip("NaN marks missing targets", field.name)
        elif field.nan_samples >= threshold:
            yield Hit(
                field.name,
                f"{field.nan_samples} of {field.samples} samples hold NaN: "
                f"{_listed(field.nan_at, field.nan_samples)}",
                {"samples": field.nan_samples, "threshold": threshold, "values": field.nan,
                 "indices": list(field.nan_at)},
                "Leave those samples out or fill them where the data set reads them.",
            )  # fmt: skip


@rule("DAT002", "inf-input", Severity.ERROR)
def inf_input(facts: LoaderFacts, *, threshold: int = 1) -> Iterator[Hit | Skip]:
    """Infinite values in the data.

    Measures: the number of samples with infinities in a field; `threshold` or more are a finding.

    Why: an infinity becomes NaN in the next subtraction or norm layer.

    False alarm: attention masks of 0 and -inf, which are not reported.

    Remedy: look for the division or logarithm that made them; clamp or leave them out.

    Source: house heuristic.
    """
    if not facts.fields:
        yield Skip(_NOTHING)
    for field in facts.fields:
        if field.inf_samples >= threshold and not field.mask:
            yield Hit(
                field.name,
                f"{field.inf_samples} of {field.samples} samples hold infinities: "
                f"{_listed(field.inf_at, field.inf_samples)}",
                {"samples": field.inf_samples, "threshold": threshold, "values": field.inf,
                 "indices": list(field.inf_at)},
                "Look for a division by zero or a logarithm of zero where those samples are made.",
            )  # fmt: skip


@rule("DAT008", "constant-input", Severity.WARNING)
def constant_input(
    facts: LoaderFacts, *, threshold: float = 0.005, least: int = 2
) -> Iterator[Hit | Skip]:
    """Samples, or a channel of all samples, in which every value is the same.

    Measures: the share of images and signals whose values are all equal, or vary by less than a
    hundred-thousandth of what is usual, and of token rows of padding alone; `threshold` or more
    is a finding where they are `least` or more. So is a channel that has one value in all samples.

    Why: a blank image teaches the network that its label has no reason; a channel without content
    is one that was lost on the way.

    False alarm: images without an object, where blank ones are part of the data. What random
    augmentation makes blank now and then is read again, and not counted. Masks, one-hot
    rows and columns of tables are not judged, nor is a fourth channel, which may be opacity.

    Remedy: look at the listed samples; leave them out or mend their files.

    Source: house heuristic.
    """
    for field in facts.inputs:
        share = field.constant / max(field.samples, 1)
        empty = field.empty_rows / max(field.samples, 1)
        # A second field of one value for all may be a mask that masks nothing.
        of_use = field is facts.inputs[0] or field.constant < field.samples
        if field.constant >= least and share >= threshold and of_use:
            yield Hit(
                field.name,
                f"{field.constant} of {field.samples} samples are blank: "
                f"{_listed(field.constant_at, field.constant)}",
                {"share": share, "threshold": threshold, "samples": field.constant,
                 "indices": list(field.constant_at)},
                "Look at those samples; leave them out or mend their files.",
            )  # fmt: skip
        if field.kind == "tokens" and field.empty_rows >= least and empty >= threshold:
            yield Hit(
                field.name,
                f"{field.empty_rows} of {field.samples} rows hold nothing but the id "
                f"{field.padding}, which pads the others",
                {"share": empty, "threshold": threshold, "rows": field.empty_rows},
                "Leave empty texts out: attention over padding alone is NaN.",
            )  # fmt: skip
        if field.dead_channels:
            yield _dead_channels(field, threshold)


def _dead_channels(field: FieldFacts, threshold: float) -> Hit:
    assert field.channels is not None
    dead = list(field.dead_channels)
    values = [float(field.channels.mean[each]) for each in dead]
    return Hit(
        field.name,
        f"channel {', '.join(map(str, dead))} has the same value in all {field.samples} samples",
        {
            "channels": dead,
            "threshold": threshold,
            "values": values,
            "of": len(field.channels.mean),
        },
        "Look at where the channels are stacked or read; one of them is lost.",
    )


@rule("DAT011", "ragged-batches", Severity.ERROR)
def ragged_batches(facts: LoaderFacts, *, threshold: int = 1) -> Iterator[Hit | Skip]:
    """Samples that cannot be put together into one batch.

    Measures: the number of batches that the loader could not put together; `threshold` or more
    are a finding. Batches that differ from each other in size, as bucketing makes them, are not.

    Why: training stops at that batch, with an error that names no sample.

    False alarm: none is known.

    Remedy: resize, crop or pad the samples to one shape, or give the loader a collate_fn.

    Source: torch.utils.data.default_collate.
    """
    ragged = facts.ragged
    if ragged is None or threshold > 1:
        return
    if ragged.odd:
        odd = "; ".join(f"sample {name} is {shapes}" for name, shapes in ragged.odd[:4])
        more = f" and {len(ragged.odd) - 4} more" if len(ragged.odd) > 4 else ""
        message = f"batch {ragged.batch} cannot be stacked: most are {ragged.usual}, {odd}{more}"
        remedy = "Resize or pad the samples to one shape, or give the loader a collate_fn."
    else:
        each = f" of samples that are {ragged.usual}" if ragged.usual else ""
        message = f"batch {ragged.batch}{each} cannot be put together: {ragged.reason}"
        remedy = "Make tensors of the samples (transforms.ToTensor()), or check the collate_fn."
    yield Hit(
        f"batch {ragged.batch}",
        message,
        {"batches": 1, "threshold": threshold, "samples": [name for name, _ in ragged.odd],
         "reason": ragged.reason},
        remedy,
    )  # fmt: skip


@rule("DAT012", "channels-last-input", Severity.ERROR)
def channels_last_input(facts: LoaderFacts, *, threshold: int = 1) -> Iterator[Hit | Skip]:
    """Images as (N, H, W, C), where PyTorch's convolutions take (N, C, H, W).

    Measures: the number of image fields whose last axis has 1, 3 or 4 entries and whose second
    axis has another number, and that look like images; `threshold` or more are a finding.

    Why: the first convolution raises, or takes rows of pixels for channels.

    False alarm: a network that moves the axis itself; where --model names it and it takes the
    batch, nothing is reported. Tensors in the channels-last memory format keep their shape and
    are fine.

    Remedy: images.permute(0, 3, 1, 2), or transforms.ToTensor(), which moves the axis.

    Source: torch.nn.Conv2d, section Shape.
    """
    for field in facts.inputs:
        if field.kind != "image" or field.layout != "channels-last" or threshold > 1:
            continue
        if facts.model is not None and facts.model.takes:
            yield Skip("the model takes the images as they are", field.name)
            continue
        shape = "×".join("?" if each is None else str(each) for each in field.shape)
        yield Hit(
            field.name,
            f"images are {shape}, with the channels last",
            {"fields": 1, "threshold": threshold, "shape": list(field.shape)},
            "Move the channels to the front: x.permute(0, 3, 1, 2), or transforms.ToTensor().",
        )


@rule("DAT016", "single-sample-batch", Severity.WARNING)
def single_sample_batch(facts: LoaderFacts, *, threshold: int = 1) -> Iterator[Hit | Skip]:
    """A last batch of one sample, in training.

    Measures: the number of samples in the last batch of a pass where full batches have more;
    `threshold` or fewer are a finding.

    Why: batch norm has no statistics of one sample: it raises, or with images normalises by
    those of that sample alone.

    False alarm: a network without batch norm: --model tells. Loaders for validation are not
    judged.

    Remedy: DataLoader(drop_last=True), or another batch size.

    Source: torch.nn.BatchNorm1d, which raises for one value a channel.
    """
    last, size = facts.last_batch, facts.batch_size
    if last is None or size is None:
        yield Skip("the size of the last batch is not known")
        return
    if facts.model is not None and not facts.model.batch_norm:
        yield Skip("the model has no batch norm")
        return
    shuffled = facts.order.drawn in ("random", "weighted")
    training = facts.split == "train" or (facts.split is None and shuffled)
    if facts.split is None and facts.model is not None:
        training = True
    if not training:
        yield Skip("it is not known to be a training loader: --split train says so")
        return
    if last <= threshold and size > max(last, 1):
        yield Hit(
            "last batch",
            f"the last batch has {last} sample, the others {size}"
            + (f": {facts.total} samples" if facts.total else ""),
            {"samples": last, "threshold": threshold, "batch_size": size, "total": facts.total},
            "Give the loader drop_last=True, or another batch size.",
        )


def _listed(names: tuple[str, ...], count: int) -> str:
    more = f" and {count - len(names)} more" if count > len(names) else ""
    return f"{'sample' if count == 1 else 'samples'} {', '.join(names)}{more}"
