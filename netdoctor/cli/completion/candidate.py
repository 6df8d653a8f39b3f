"""What the shell may offer for a word."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable


@dataclasses.dataclass(frozen=True, slots=True)
class Candidate:
    """A word that fits.

    Attributes:
        value: the whole word, unquoted.
        help: a few words on it, for the shells that show them.
    """

    value: str
    help: str = ""


def words(values: Iterable[str]) -> list[Candidate]:
    """Candidates without a word on them."""
    return [Candidate(value) for value in values]
