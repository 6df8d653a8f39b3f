"""What of a model matters for its data: does it take a batch, how many classes, which norms."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import Any

import torch
from torch import Tensor, nn

from netdoctor.errors import ModelError, NetDoctorError
from netdoctor.facts.loader import ModelFacts
from netdoctor.facts.target import TargetFacts
from netdoctor.inputs.batches import TARGET_NAMES, Batch, as_batch
from netdoctor.inputs.losses import class_axis
from netdoctor.inputs.model import LoadedModel
from netdoctor.inputs.objective import Objective, TargetError
from netdoctor.inputs.outputs import main_output
from netdoctor.observe.preserve import preserved
from netdoctor.probes.samples import few

_SAMPLES = 4
_NORMS = (
    nn.modules.batchnorm._BatchNorm,
    nn.modules.instancenorm._InstanceNorm,
    nn.GroupNorm,
    nn.LayerNorm,
)
_WEIGHTED = (nn.Linear, nn.modules.conv._ConvNd, nn.Embedding, nn.RNNBase)


class ModelTrial:
    """Tries a model on the first batch, without leaving a trace in it."""

    def __init__(self, loaded: LoadedModel, loss: str | None = None) -> None:
        self.loaded = loaded
        self.refused: TargetFacts | None = None
        self.objective = Objective(loss)
        self._loss = loss or ""
        self._takes: bool | None = None
        self._refusal = ""
        self._outputs: int | None = None

    def __call__(self, raw: Any) -> None:
        """Tries a batch; what the model or the loss says is kept."""
        model = self.loaded.module
        images = self.loaded.input_style == "images"
        try:
            batch = few(as_batch(raw, model, images=images), _SAMPLES).to(
                self.loaded.device, copy=True
            )
            with preserved(model), torch.no_grad():
                model.eval()
                output = self._output(batch)
        except NetDoctorError as error:
            self._takes, self._refusal = False, error.message
            return
        self._takes = True
        try:
            if isinstance(batch.target, Tensor):
                main, _ = main_output(output)
                axis = class_axis(main, batch.target)
                # A single output is a score or a number, not the only class.
                wide = axis is not None and main.shape[axis] > 1
                self._outputs = int(main.shape[axis]) if wide and axis is not None else None
                self.objective(output, batch)
        except TargetError as error:
            self.refused = error.facts
        except NetDoctorError:
            return

    def _output(self, batch: Batch) -> Any:
        """What the model gives; without the target where the loss in it refuses that.

        Raises:
            ModelError: the model does not take the inputs either.
        """
        try:
            return batch.call(self.loaded.module)
        except ModelError as error:
            inputs = {k: each for k, each in batch.kwargs.items() if k not in TARGET_NAMES}
            if not inputs or len(inputs) == len(batch.kwargs):
                raise
            with contextlib.suppress(ModelError):
                return dataclasses.replace(batch, kwargs=inputs).call(self.loaded.module)
            raise error

    def read(self) -> ModelFacts:
        """What is known of the model."""
        modules = list(self.loaded.module.modules())
        first = next((each for each in modules if isinstance(each, (*_NORMS, *_WEIGHTED))), None)
        convolution = next((e for e in modules if isinstance(e, nn.modules.conv._ConvNd)), None)
        return ModelFacts(
            self.loaded.name,
            batch_norm=any(isinstance(each, _NORMS[0]) for each in modules),
            first_norm=isinstance(first, _NORMS),
            channels=convolution.in_channels if convolution is not None else None,
            takes=self._takes,
            refusal=self._refusal,
            outputs=self._outputs,
            loss=self._loss,
        )
