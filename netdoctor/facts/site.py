"""The name of one call in a forward pass."""

from __future__ import annotations

import dataclasses
from fnmatch import fnmatchcase


@dataclasses.dataclass(frozen=True, slots=True)
class Site:
    """One call: the n-th time that a module, or a functional operation inside it, ran.

    Attributes:
        path: dotted path of the module in whose forward the call happened; empty for the root.
        operation: the functional operation, `relu`; empty when the call is the module's own.
        number: counted from 1 within one forward pass, for each path and operation.
    """

    path: str
    operation: str = ""
    number: int = 1

    @property
    def name(self) -> str:
        """The text without the call number: `layer1.0.relu`, `Conv2d_1a_3x3/relu`, `/relu`."""
        if self.operation:
            return f"{self.path}/{self.operation}"
        return self.path or "(model)"

    def __str__(self) -> str:
        """Unique in one forward pass: `layer1.0.relu#2`, `Conv2d_1a_3x3/relu#1`."""
        return f"{self.name}#{self.number}"

    def matches(self, pattern: str) -> bool:
        """Whether a `--layers` pattern (exact name or shell pattern) selects this call."""
        names = (str(self), self.name, self.path)
        return pattern in names or any(fnmatchcase(name, pattern) for name in names)

    def inside(self, path: str) -> bool:
        """Whether the call happened in the module of that exact path or below it."""
        return self.path == path or self.path.startswith(f"{path}.")
