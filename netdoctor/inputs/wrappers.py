"""The parts that wrappers put into the names of a state dict. No torch."""

from __future__ import annotations

WRAPPERS = (
    "module",
    "_orig_mod",
    "_fsdp_wrapped_module",
    "_checkpoint_wrapped_module",
    "_forward_module",
    "_fpw_module",
)


def without_wrappers(name: str) -> str:
    """The name without the parts that `DataParallel`, `torch.compile`, FSDP and others put in."""
    return ".".join(part for part in name.split(".") if part not in WRAPPERS)
