"""Running statistics of norm layers against what the layers were given."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from netdoctor.facts.forward import NormFault
from netdoctor.observe import Call
from netdoctor.probes.state import is_finite

_BLOWN_UP = 100.0  # times the size that a normalised channel has
_VANISHED = 1e-3
_MOSTLY = 0.02  # the same of the median channel: all of them are far too small
_SAMPLES = 8


class NormWatch:
    """Compares the running variance of each batch norm with its input's.

    Attributes:
        fresh: whether some layer still has the statistics that it was made with.
    """

    def __init__(self) -> None:
        self.fresh = False
        self._faults: dict[str, NormFault] = {}

    def add(self, call: Call) -> None:
        """Takes in the call of any module."""
        norm = call.module
        mean, variance = (getattr(norm, name, None) for name in ("running_mean", "running_var"))
        if norm is None or not isinstance(mean, Tensor) or not isinstance(variance, Tensor):
            return
        if norm.training:
            return
        if not bool(mean.any()) and bool((variance == 1).all()):
            self.fresh = True
            self._note_forgotten(call, norm, len(mean))
        elif not isinstance(norm, nn.modules.batchnorm._NormBase):
            return  # it may have its channels elsewhere
        elif is_finite(variance) and is_finite(mean):
            self._compare(call, mean, variance, norm.eps)

    def faults(self) -> tuple[NormFault, ...]:
        """The layers whose statistics do not fit; none where the network is fresh."""
        return tuple(
            each
            for each in self._faults.values()
            if each.negative or each.updates or not self.fresh
        )

    def _note_forgotten(self, call: Call, norm: nn.Module, channels: int) -> None:
        """Notes statistics that were estimated, as the counter says, and are gone."""
        counter = getattr(norm, "num_batches_tracked", None)
        if not isinstance(counter, Tensor) or not int(counter):
            return
        self._faults[call.site.path] = NormFault(
            path=call.site.path, kind=type(norm).__name__, negative=0, off=channels,
            channels=channels, smallest=1.0, largest=1.0, gain=float("nan"), updates=int(counter),
        )  # fmt: skip

    def _compare(self, call: Call, mean: Tensor, variance: Tensor, eps: float) -> None:
        given = next((each for each in call.inputs if each.is_floating_point()), None)
        if given is None or given.ndim < 2 or not given.numel() or not is_finite(given):
            return
        channels = given.detach()[:_SAMPLES].float().transpose(0, 1).flatten(1)
        apart = (channels - mean.float()[:, None]).square().mean(1)
        gain = (apart / (variance.float() + eps).clamp_min(1e-30)).sqrt()
        negative = int((variance < 0).sum())
        least = _MOSTLY if float(gain.median()) < _MOSTLY else _VANISHED
        off = (gain > _BLOWN_UP) | ((gain < least) & (channels.var(1, correction=0) > 1e-12))
        if negative or bool(off.any()):
            self._faults[call.site.path] = NormFault(
                path=call.site.path,
                kind=type(call.module).__name__,
                negative=negative,
                off=int(off.sum()),
                channels=len(variance),
                smallest=float(variance.min()),
                largest=float(variance.max()),
                gain=float(torch.quantile(gain, 0.5)),
            )
