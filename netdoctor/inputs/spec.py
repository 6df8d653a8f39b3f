"""What a MODEL argument can be, checked before anything heavy is imported. No torch."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from netdoctor.errors import ModelError
from netdoctor.inputs.torchvision_names import torchvision_names
from netdoctor.inputs.user_code import import_object, near_misses

_CHECKPOINT_ENDINGS = (".pt", ".pth", ".ckpt", ".bin", ".safetensors", ".index.json")


def is_torchvision(spec: str) -> bool:
    """Whether the spec is a name and not `module:factory` or a file."""
    return ":" not in spec and not spec.endswith(".py")


def is_checkpoint(name: str) -> bool:
    """Whether the name ends as those of files of weights do."""
    return name.lower().endswith(_CHECKPOINT_ENDINGS)


def check_spec(spec: str) -> None:
    """Refuses at once what can never name a model.

    Args:
        spec: a torchvision name, `package.module:factory` or `path/file.py:factory`.

    Raises:
        ModelError: an unknown name, a missing file or module, or one without `:factory`.
    """
    if is_torchvision(spec):
        _check_name(spec)
        return
    location, colon, attribute = spec.rpartition(":")
    incomplete = not (colon and location and attribute)
    if incomplete or not _exists(location):
        import_object(spec, what="model", error=ModelError)


def _check_name(name: str) -> None:
    if name in torchvision_names():
        return
    if is_checkpoint(name):
        raise ModelError(
            f"{name} is a file of weights, and weights need the network that they belong to.",
            hint=f"Name the network first: MODEL --checkpoint {name}",
        )
    if name and Path(f"{name}.py").is_file():
        import_object(f"{name}.py", what="model", error=ModelError)  # tells what to add
    hint = near_misses(name.lower(), torchvision_names())
    if importlib.util.find_spec("torchvision") is None:
        hint = "torchvision is not installed: pip install torchvision."
    raise ModelError(
        f"There is no model {name!r}: it is neither a torchvision name nor module:factory.",
        hint=hint
        or "Give a torchvision name (resnet18), package.module:factory, or "
        "path/to/file.py:factory.",
    )


def _exists(location: str) -> bool:
    if location.endswith(".py"):
        return Path(location).expanduser().is_file()
    top = location.partition(".")[0]
    here = Path.cwd() / top
    try:
        return here.is_dir() or here.with_suffix(".py").is_file() or _is_installed(top)
    except ValueError:
        return False


def _is_installed(top: str) -> bool:
    return bool(top) and importlib.util.find_spec(top) is not None
