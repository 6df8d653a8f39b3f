"""Measures the gradient of every parameter and activation call over some batches."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence

import torch
from torch import nn

from netdoctor.facts.gradflow import CallGradient, GradientFacts, ParameterGradient, State
from netdoctor.inputs.batches import Batch
from netdoctor.inputs.objective import Objective
from netdoctor.observe import Observation, observe
from netdoctor.probes.gradient_causes import causes_of
from netdoctor.probes.gradient_passes import Options, Passes
from netdoctor.probes.gradient_statistics import Accumulated

Progress = Callable[[int], None]
_PLAIN = Options()


def measure(
    model: nn.Module,
    batches: Iterable[Batch],
    objective: Objective,
    options: Options = _PLAIN,
    *,
    synthetic: bool = False,
    fresh: bool | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> GradientFacts:
    """The gradients of all batches, each on its own, in training mode.

    Args:
        model: the unwrapped model; left as it was found.
        batches: on the model's device.
        objective: the loss.
        options: how to run the passes.
        synthetic: whether the batches are random; for the facts.
        fresh: whether the weights are known to be untrained; for the facts.
        seed: of the data; for the facts.
        progress: told the number of batches done.

    Raises:
        ModelError: the model raised, in forward or backward.
        DataError: there is no target, or it does not fit the output.
        UsageError: there is no loss of that name, or the user's own raised.
    """
    passes = Passes(model, objective, options)
    tell = passes.on_gradient if options.calls else None
    watched = observe(model, passes.on_call, on_gradient=tell)
    with torch.enable_grad(), watched as observation:  # whatever the caller has set
        model.train()
        if not options.update_norms:
            _keep_norm_statistics(model)
        for number, batch in enumerate(batches, 1):
            passes.step(batch)
            if progress is not None:
                progress(number)
        not_examined = observation.not_examined()
    parameters = _parameters(model, passes, observation)
    sick = {each.name for each in parameters if each.state in ("zero", "missing", "non-finite")}
    if sick and passes.suspect is not None:
        causes = causes_of(
            model, passes.suspect, objective, sick, observation.called, amp=options.amp
        )
        parameters = [dataclasses.replace(each, cause=causes.get(each.name)) for each in parameters]
    return GradientFacts(
        parameters=tuple(parameters),
        calls=tuple(_calls(passes, observation)),
        losses=tuple(passes.losses),
        loss=objective.name,
        expected_loss=passes.expected[0],
        expectation=passes.expected[1],
        random_targets=objective.random_targets,
        samples=passes.samples,
        synthetic=synthetic,
        fresh=fresh,
        device=next((str(each.device) for each in model.parameters()), "cpu"),
        seed=seed,
        optimizer=options.optimizer,
        rate=options.rate,
        amp=options.amp,
        scale=passes.scale,
        overflows=passes.overflows,
        not_examined=tuple(not_examined),
    )


def _keep_norm_statistics(model: nn.Module) -> None:
    """Lets norm layers use the batch's statistics without adding them to their own."""
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._NormBase) and module.track_running_stats:
            module.track_running_stats = False


def _parameters(
    model: nn.Module, passes: Passes, observation: Observation
) -> list[ParameterGradient]:
    """Every parameter once, in the order of use; what was never used stays behind its neighbour."""
    names: dict[int, list[str]] = {}
    for name, each in model.named_parameters(remove_duplicate=False):
        names.setdefault(id(each), []).append(name)
    used = {key: place for place, key in enumerate(observation.used_parameters)}
    places: list[tuple[float, int]] = []
    last = -1.0
    for place, parameter in enumerate(passes.parameters):
        last = used.get(id(parameter), last)
        places.append((last, place))
    return [
        _parameter(model, passes, place, names[id(passes.parameters[place])])
        for _, place in sorted(places)
    ]


def _parameter(
    model: nn.Module, passes: Passes, place: int, names: Sequence[str]
) -> ParameterGradient:
    parameter, read = passes.parameters[place], passes.statistics.read[place]
    module = names[0].rpartition(".")[0]
    rated = passes.options.rate is not None and read.finite and passes.statistics.norms[place]
    return ParameterGradient(
        name=names[0],
        module=module,
        kind=type(model.get_submodule(module)).__name__,
        shape=tuple(parameter.shape),
        state=_state(read, frozen=not parameter.requires_grad),
        batches=read.batches,
        mean=read.average(read.means),
        maximum=read.maximum,
        norm=read.average(read.norms),
        weight_norm=passes.statistics.norms[place],
        signal=passes.statistics.signal(place),
        update_ratio=read.average(read.steps) if rated else None,
        nan=read.nan,
        infinite=read.infinite,
        underflow=read.underflow / max(read.others, 1) if passes.options.amp else None,
        also=tuple(names[1:]),
    )


def _state(read: Accumulated, *, frozen: bool = False) -> State:
    if frozen:
        return "frozen"
    if not read.batches:
        return "missing"
    if read.nan or read.infinite:
        return "non-finite"
    return "value" if read.maximum else "zero"


def _calls(passes: Passes, observation: Observation) -> list[CallGradient]:
    found = []
    for name, call in passes.calls.items():
        read = passes.call_statistics.read.get(name, Accumulated())
        found.append(
            CallGradient(
                site=call.site,
                kind=call.kind,
                shape=call.shape,
                after=observation.after.get(name, ""),
                role=observation.roles.get(name, "hidden"),
                upstream=tuple(sorted(observation.upstream.get(name, ()))),
                state=_state(read, frozen=not call.trainable),
                batches=read.batches,
                mean=read.average(read.means),
                maximum=read.maximum,
                norm=read.average(read.norms),
            )
        )
    return found
