"""Which parts of samples make two of them the same, and where equal ones come by chance."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

import torch
from torch import Tensor

from netdoctor.facts.loader_fields import FieldFacts
from netdoctor.probes.batch_fields import Field, Fields
from netdoctor.probes.field_values import FieldScan

_FEW_VALUES = 64  # whole numbers a sample up to which equal ones are to be expected
_SHORT = 32  # token ids a sample, likewise
_MASKS = ("attention_mask", "token_type_ids", "padding_mask")
_NUMBERS = ("idx", "index", "indices", "id", "ids", "image_id", "sample_id", "example_id")


def compared(fields: Fields, indices: Sequence[Hashable]) -> list[Tensor | list[Tensor]]:
    """The inputs that make two samples the same: no numbers of the samples, no padding."""
    inputs = [each for each in fields.tensors if each.role == "input"]
    kept = []
    for field in inputs:
        rows, name = _rows(field, fields.size), field.name.rpartition(".")[2]
        if rows is None or (len(inputs) > 1 and name in _MASKS):
            continue
        numbers = isinstance(rows, Tensor) and rows.ndim == 1 and rows.tolist() == list(indices)
        if len(inputs) > 1 and (numbers or name in _NUMBERS):
            continue
        kept.append(_without_padding(rows) if isinstance(rows, Tensor) else rows)
    return kept


def _without_padding(rows: Tensor) -> Tensor | list[Tensor]:
    """Token rows without what fills them up, which depends on the longest one in the batch."""
    if rows.ndim != 2 or rows.is_floating_point() or rows.shape[1] < 2:
        return rows
    same = (rows == rows[:, -1:]).flip(1).long().cumprod(1).sum(1)
    last = rows[:, -1]
    padded = (same > 1) | (last == 0)
    ends = rows.shape[1] - torch.where(padded, same, torch.zeros_like(same))
    return [row[:end] for row, end in zip(rows, ends.tolist(), strict=True)]


def _rows(field: Field, size: int) -> Tensor | list[Tensor] | None:
    """The field's values where there is one row a sample."""
    values = field.values
    if isinstance(values, Tensor):
        return values if values.ndim and len(values) == size else None
    tensors = [each for each in values or () if isinstance(each, Tensor)]
    return tensors if len(tensors) == size else None


def is_coarse(field: FieldFacts) -> bool:
    """Whether a field takes so few different values that equal samples come by chance."""
    size = field.values / max(field.samples, 1)
    if field.kind == "tokens":
        return size * (1 - field.padded) < _SHORT
    if field.kind in ("binary", "other"):
        return True
    if field.kind == "integers":
        return size < _FEW_VALUES
    return field.kind == "tabular" and (size < 4 or field.whole > 0.5)


def differ(ours: Iterable[FieldScan], theirs: Iterable[FieldScan]) -> str:
    """Why no sample of two splits can be the same; empty where some can."""
    told = []
    for fields in (ours, theirs):
        field = next(each.read() for each in fields if each.role == "input")
        shape = "×".join("?" if each is None else str(each) for each in field.shape)
        told.append((field.kind == "image", field.dtype, shape))
    (image, dtype, shape), (other_image, other_dtype, other_shape) = told
    if (image and other_image) or (dtype == other_dtype and shape == other_shape):
        return ""
    if dtype == other_dtype and "?" in shape + other_shape:
        return ""
    return f"the other split's samples are {other_dtype} of {other_shape}, these {dtype} of {shape}"
