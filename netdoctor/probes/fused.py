"""PyTorch's fused encoder layer, which runs only while nobody watches: what a closed mask does."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor, nn

from netdoctor.facts.forward import Origin
from netdoctor.inputs.batches import Batch
from netdoctor.observe import Call, tensors_in, trained_for_a_while
from netdoctor.probes.ranges import code_at, samples_with, size_of
from netdoctor.probes.state import is_finite

_REASON = (
    "every key of a sample is masked out as padding: PyTorch's fused encoder layer, which runs in "
    "evaluation mode without gradients, then gives NaN"
)


@dataclasses.dataclass(frozen=True, slots=True)
class Closed:
    """A call of an encoder layer that was told to ignore all of a sample."""

    site: str
    source: str
    samples: tuple[int, ...]


def closed_by(call: Call, size: int) -> Closed | None:
    """The call if it is one of an encoder layer with a sample whose every key is masked.

    Args:
        call: any call of a module.
        size: samples in the batch.
    """
    if not isinstance(call.module, nn.TransformerEncoderLayer):
        return None
    args, kwargs = call.arguments
    mask = kwargs.get("src_key_padding_mask", args[2] if len(args) > 2 else None)
    if not isinstance(mask, Tensor) or mask.ndim != 2:
        return None
    shut = (mask if mask.dtype is torch.bool else mask.isneginf()).all(1, keepdim=True)
    if not bool(shut.any()):
        return None
    return Closed(str(call.site), call.source(), samples_with(shut, size))


def confirmed(model: nn.Module, batch: Batch, number: int, closed: Closed) -> Origin | None:
    """The NaN that the batch gives when nobody watches; None where it gives none.

    Raises:
        ModelError: the model raised.
    """
    with trained_for_a_while(model), torch.no_grad():
        model.eval()
        outputs = [each for each in tensors_in([batch.call(model)]) if not is_finite(each)]
    if not outputs:
        return None
    sick = outputs[0]
    return Origin(
        "forward", closed.site, "TransformerEncoderLayer", closed.source, code_at(closed.source),
        _REASON, int(sick.isnan().sum()), int(sick.isinf().sum()), size_of(sick), number,
        closed.samples,
    )  # fmt: skip
