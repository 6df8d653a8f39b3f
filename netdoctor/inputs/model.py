"""A MODEL argument becomes a network: built, loaded, unwrapped, on its device."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from netdoctor.errors import ModelError, UsageError
from netdoctor.inputs.checkpoint import load_into, read_state
from netdoctor.inputs.images import Preprocessing
from netdoctor.inputs.model_config import own_config
from netdoctor.inputs.spec import check_spec, is_torchvision
from netdoctor.inputs.user_code import call_user, guarded, import_object, kind_of, near_misses

_WRAPPERS = {
    "OptimizedModule": "_orig_mod",
    "DataParallel": "module",
    "DistributedDataParallel": "module",
    "FullyShardedDataParallel": "module",
    "AveragedModel": "module",
}


@dataclasses.dataclass(frozen=True, slots=True)
class LoadedModel:
    """A network ready to be examined.

    Attributes:
        module: unwrapped, on `device`, with its training flags as the factory left them.
        name: the spec as the user gave it.
        device: where it runs.
        fresh: True: untrained for certain; False: weights were loaded; None: the factory's secret.
        preprocessing: how an image becomes its input, where that is known.
        input_shapes: of one sample without batch axis, one for each input, where known.
        input_style: `images` for detectors that take a list of (C, H, W).
        class_names: by index; empty when unknown.
        notes: one line each on how it was made, for the report.
    """

    module: nn.Module
    name: str
    device: torch.device
    fresh: bool | None = None
    preprocessing: Preprocessing | None = None
    input_shapes: tuple[tuple[int, ...], ...] = ()
    input_style: Literal["batch", "images"] = "batch"
    class_names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def load_model(
    spec: str,
    *,
    weights: str | None = None,
    model_args: Mapping[str, Any] | None = None,
    checkpoint: Path | None = None,
    state_key: str | None = None,
    partial: bool = False,
    trust_checkpoint: bool = False,
    device: str = "auto",
) -> LoadedModel:
    """The network that a spec names, with its weights.

    Args:
        spec: a torchvision name, `package.module:factory` or `path/file.py:factory`.
        weights: torchvision's pretrained weights, `DEFAULT` or an entry's name.
        model_args: keyword arguments for the factory.
        checkpoint: a file of weights to load into it.
        state_key: which state dict of the file, where there are several.
        partial: accept a checkpoint that fits only in part.
        trust_checkpoint: unpickle the whole file, which runs the code in it.
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.

    Raises:
        ModelError: the network is not found, cannot be built, or does not fit the device.
        CheckpointError: the file is no checkpoint or does not fit the network.
        UsageError: options that contradict each other, or an unknown or absent device.
    """
    check_spec(spec)
    where = resolve_device(device)
    if is_torchvision(spec):
        model = _from_torchvision(spec, weights, model_args or {}, where)
    else:
        if weights is not None:
            raise UsageError(
                f"--weights {weights} is for torchvision names, and {spec} is not one.",
                hint="Pass arguments to the factory with --model-arg, or a file with --checkpoint.",
            )
        model = _from_factory(spec, model_args or {}, where)
    if checkpoint is not None:
        state = read_state(
            checkpoint, state_key=state_key, trust=trust_checkpoint, model=model.module
        )
        summary = load_into(model.module, state, partial=partial)
        notes = (*model.notes, *summary.notes(), *state.notes)
        model = dataclasses.replace(model, fresh=False, notes=notes)
    elif state_key is not None or partial or trust_checkpoint:
        raise UsageError(
            "--state-key, --partial and --trust-checkpoint say how to read a checkpoint, "
            "and there is none.",
            hint="Add --checkpoint FILE.",
        )
    return dataclasses.replace(model, module=_moved(model.module, spec, where))


def unwrap(module: nn.Module) -> nn.Module:
    """The network inside `torch.compile`, `DataParallel` and their like, however many there are."""
    while True:
        kinds = {kind.__name__ for kind in type(module).__mro__}
        inner = next((_WRAPPERS[name] for name in _WRAPPERS if name in kinds), None)
        found = getattr(module, inner, None) if inner else None
        if not isinstance(found, nn.Module):
            return module
        module = found


def resolve_device(name: str) -> torch.device:
    """The device of that name; `auto` is CUDA where there is one, else the CPU.

    Raises:
        UsageError: no such device, or it is not there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        device = torch.device("meta")
    if device.type not in ("cpu", "cuda", "mps"):
        raise UsageError(
            f"There is no device {name!r}.", hint="Use auto, cpu, cuda, cuda:N (a number) or mps."
        )
    if device.type == "cuda" and not torch.cuda.is_available():
        raise UsageError(
            f"--device {name}: PyTorch sees no CUDA device here.",
            hint="Use --device cpu, or install a CUDA build of PyTorch and its driver.",
        )
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UsageError(
            f"--device {name}: there are only {torch.cuda.device_count()} CUDA devices.",
            hint="They are counted from cuda:0.",
        )
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise UsageError(
            f"--device {name}: PyTorch sees no MPS device here.", hint="Use --device cpu."
        )
    return device


def _from_torchvision(
    spec: str, weights: str | None, model_args: Mapping[str, Any], device: torch.device
) -> LoadedModel:
    from netdoctor.inputs.torchvision_models import build_torchvision

    built = build_torchvision(spec, weights, model_args)
    return LoadedModel(
        module=built.module,
        name=spec,
        device=device,
        fresh=not built.pretrained,
        preprocessing=built.preprocessing,
        input_shapes=built.input_shapes,
        input_style=built.input_style,
        class_names=built.class_names,
        notes=built.notes,
    )


def _from_factory(spec: str, model_args: Mapping[str, Any], device: torch.device) -> LoadedModel:
    factory = import_object(spec, what="model", error=ModelError)
    wrapped = _produce(spec, factory, model_args)
    module = unwrap(wrapped)
    if isinstance(module, torch.jit.ScriptModule):
        raise ModelError(
            f"{spec} is a TorchScript program, whose layers run where nobody can watch them.",
            hint="Give the Python network that it was made from.",
        )
    config = own_config(module)
    notes: tuple[str, ...] = ()
    if module is not wrapped:
        notes = (f"unwrapped {type(wrapped).__name__}: the network inside it was examined, eager",)
    return LoadedModel(
        module=module,
        name=spec,
        device=device,
        preprocessing=config.preprocessing,
        input_shapes=config.input_shapes,
        class_names=config.class_names,
        notes=notes,
    )


def _produce(spec: str, factory: Any, model_args: Mapping[str, Any]) -> nn.Module:
    if isinstance(factory, nn.Module):
        if model_args:
            raise UsageError(
                f"{spec} is a finished module and takes no --model-arg.",
                hint="Name the class or function that builds it.",
            )
        return factory
    if not callable(factory):
        raise ModelError(
            f"{spec} is {kind_of(factory)}, neither a network nor something that makes one.",
            hint="Name a function that returns an nn.Module, or a module class.",
        )
    _check_arguments(spec, factory, model_args)
    module = call_user(factory, spec=spec, error=ModelError, **model_args)
    if not isinstance(module, nn.Module):
        raise ModelError(
            f"{spec} returned {kind_of(module)}, not an nn.Module.", hint=_inside(module)
        )
    return module


def _check_arguments(spec: str, factory: Any, model_args: Mapping[str, Any]) -> None:
    try:
        parameters = inspect.signature(factory).parameters
    except (TypeError, ValueError):
        return
    if not any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters.values()):
        unknown = [name for name in model_args if name not in parameters]
        if unknown:
            takes = f"It takes {', '.join(parameters)}." if parameters else "It takes none."
            raise ModelError(
                f"{spec} has no argument {unknown[0]!r}.",
                hint=near_misses(unknown[0], parameters) or takes,
            )
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    missing = [
        name
        for name, one in parameters.items()
        if one.default is inspect.Parameter.empty and one.kind in named and name not in model_args
    ]
    if missing:
        needs = "an argument that was" if len(missing) == 1 else "arguments that were"
        raise ModelError(
            f"{spec} needs {needs} not given: {', '.join(missing)}.",
            hint=f"Pass {' '.join(f'--model-arg {name}=VALUE' for name in missing)}.",
        )


def _inside(value: Any) -> str:
    values = list(value.values()) if isinstance(value, Mapping) else value
    if isinstance(values, (list, tuple)) and any(isinstance(one, nn.Module) for one in values):
        return "It holds a module among others: write a factory that returns that one alone."
    return "The factory has to end with `return model`."


def _moved(module: nn.Module, spec: str, device: torch.device) -> nn.Module:
    tensors = [*module.parameters(), *module.buffers()]
    if any(tensor.is_meta for tensor in tensors):
        raise ModelError(
            f"{spec} has parameters without values (on the meta device).",
            hint="Build it on the CPU, or let the factory load its weights.",
        )
    if any(tensor.device != device for tensor in tensors):
        with guarded(f"Moving {spec} to {device}", ModelError):
            return module.to(device)
    return module
