"""The inert reader as the pickle module that `torch.load` takes.

`torch.load(weights_only=True)` refuses a whole file for one object of an unknown class. This
reader takes the tensors from such a file, and runs nothing of it.
"""

from __future__ import annotations

from typing import Any

import torch

from netdoctor.inputs.inert_objects import Known, Opaque
from netdoctor.inputs.inert_reader import HostileCheckpointError as HostileCheckpointError
from netdoctor.inputs.inert_reader import Unpickler as _Unpickler
from netdoctor.inputs.inert_reader import refuse_attack
from netdoctor.inputs.inert_values import FUNCTIONS


class Unpickler(_Unpickler):
    """Gives tensors for the functions that torch.save names."""

    def named(self, module: str, name: str) -> Any:
        """A function of ours, a constant of torch, or an opaque stand-in."""
        refuse_attack(module, name)
        origin = f"{module}.{name}"
        if origin in FUNCTIONS:
            return Known(origin, FUNCTIONS[origin])
        if module == "torch":
            constant = getattr(torch, name, None)
            if isinstance(constant, (torch.dtype, torch.qscheme)):
                return constant
        if origin == "torch.storage.UntypedStorage":
            return torch.UntypedStorage
        return Opaque(origin)


def load(file: Any, **options: Any) -> Any:
    """What the pickle in an open file holds, in stand-ins; the counterpart of `pickle.load`."""
    return Unpickler(file, **options).load()
