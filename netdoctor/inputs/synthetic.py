"""Seeded random input of the shape that a model takes, found without the user's help."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from netdoctor.errors import ModelError, UsageError
from netdoctor.inputs.batches import Batch
from netdoctor.inputs.candidates import Plan, Sample, configured, inferred, placed, vocabularies
from netdoctor.inputs.user_code import describe
from netdoctor.observe.preserve import preserved

if TYPE_CHECKING:
    from netdoctor.inputs.model import LoadedModel

_GIVE_IT = (
    "Say what the model takes: --input-shape 3,224,224 (several inputs with ';', tokens as "
    "16:long), or give real data with --data."
)


def plan_inputs(loaded: LoadedModel, input_shape: str | None = None) -> Plan:
    """What random input the model shall get.

    From `input_shape`, else from what is known about the model, else from its configuration, else
    from its first layers; the last two are tried on the model, which stays as it was.

    Raises:
        UsageError: `input_shape` is malformed.
        ModelError: the model raises for everything that it could take, or takes its own shape
            from the first input.
    """
    if input_shape is not None:
        return placed(parse_input_shape(input_shape, loaded.module), loaded.module, "--input-shape")
    if loaded.input_shapes:
        samples = tuple(Sample(tuple(shape)) for shape in loaded.input_shapes)
        return Plan(samples, source=f"known for {loaded.name}")
    if any(is_lazy(each) for each in (*loaded.module.parameters(), *loaded.module.buffers())):
        raise ModelError(
            f"{loaded.name} has lazy layers, to which the first input gives their size: no input "
            "can be made up for them.",
            hint=_GIVE_IT,
        )
    return _first_that_runs(loaded)


def draw(plan: Plan, loaded: LoadedModel, size: int, generator: torch.Generator) -> Batch:
    """A batch of that many samples: standard-normal numbers, uniform tokens."""
    dtype = _dtype(loaded.module)

    def make(sample: Sample) -> Tensor:
        shape = (size, *sample.shape)
        if sample.vocabulary is not None:
            return torch.randint(sample.vocabulary, shape, generator=generator)
        return torch.randn(shape, generator=generator).to(dtype)

    if loaded.input_style == "images":
        return Batch((list(make(plan.args[0]).unbind()),), {}, None, size)
    args = tuple(map(make, plan.args))
    return Batch(args, {name: make(sample) for name, sample in plan.kwargs.items()}, None, size)


def _first_that_runs(loaded: LoadedModel) -> Plan:
    generator = torch.Generator()
    failures: list[tuple[Plan, Exception]] = []
    for candidates in (configured(loaded.module), inferred(loaded.module)):
        for plan in candidates:
            generator.manual_seed(0)
            try:
                _try(plan, loaded, generator)
            except (MemoryError, torch.OutOfMemoryError):
                raise
            except Exception as exception:  # the user's forward may raise anything
                failures.append((plan, exception))
            else:
                return plan
    if not failures:
        raise ModelError(f"It is not clear what {loaded.name} takes as input.", hint=_GIVE_IT)
    raise _of_failures(loaded.name, failures) from failures[0][1]


def _of_failures(name: str, failures: Sequence[tuple[Plan, Exception]]) -> ModelError:
    (plan, failure), count = failures[0], len(failures)
    if count > 1 and len({(type(each), str(each)) for _, each in failures}) == 1:
        return ModelError(
            f"{name} raised {describe(failure)}, and the same for each of {count} random inputs",
            hint=f"The shape is hardly the reason: fix the error there. Else: {_GIVE_IT}",
        )
    return ModelError(
        f"{name} raised for each of {count} random inputs; for {plan} it raised "
        f"{describe(failure)}",
        hint=_GIVE_IT,
    )


def _try(plan: Plan, loaded: LoadedModel, generator: torch.Generator) -> None:
    batch = draw(plan, loaded, 2, generator).to(loaded.device)
    with preserved(loaded.module), torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loaded.module.eval()
        loaded.module(*batch.args, **batch.kwargs)


def parse_input_shape(text: str, module: nn.Module) -> tuple[Sample, ...]:
    """The inputs that `3,224,224` or `3,32,32;16:long` means.

    Raises:
        UsageError: the text is malformed.
    """
    parts = [part.strip() for part in text.split(";")]
    sizes = vocabularies(module)
    one_each = len(sizes) == sum(part.endswith(":long") for part in parts)
    samples: list[Sample] = []
    for part in parts:
        numbers, _, kind = part.partition(":")
        try:
            shape = tuple(int(number) for number in numbers.split(",") if number.strip())
        except ValueError:
            shape = (0,)
        if kind not in ("", "long", "float") or min(shape, default=1) < 1 or not (shape or kind):
            raise UsageError(
                f"The input shape {text!r} is not understood at {part!r}.",
                hint="Write the shape of one sample without the batch axis: 3,224,224; several "
                "inputs with ';' between them; ':long' behind a shape for integer tokens.",
            )
        vocabulary = None
        if kind == "long":
            seen = sum(sample.vocabulary is not None for sample in samples)
            vocabulary = sizes[seen if one_each else 0] if sizes else 2
        samples.append(Sample(shape, vocabulary))
    return tuple(samples)


def _dtype(module: nn.Module) -> torch.dtype:
    tensors = (*module.parameters(), *module.buffers())
    return next((each.dtype for each in tensors if each.is_floating_point()), torch.float32)
