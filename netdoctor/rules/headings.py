"""Codes and slugs as the sources say them: a tenth of the time that importing every rule takes."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any, NamedTuple

_HEADING = re.compile(r'^@rule\(\s*"([A-Z]+\d+)",\s*"([a-z0-9-]+)"', re.MULTILINE)


class Heading(NamedTuple):
    """A rule's code and slug."""

    code: str
    slug: str

    @property
    def family(self) -> str:
        """The code without its number: `ACT`."""
        return self.code.rstrip("0123456789")


@functools.cache
def headings() -> list[Heading]:
    """Those of the whole catalogue, in order of the codes."""
    sources = (file.read_text(encoding="utf-8") for file in Path(__file__).parent.glob("*.py"))
    return sorted(Heading(*found) for source in sources for found in _HEADING.findall(source))


def settings_of(name: str) -> dict[str, Any]:
    """What may be set for the rule of that code or slug, with its defaults; nothing if none."""
    from netdoctor.rules import rules_in
    from netdoctor.rules.core import SETTINGS

    for each in headings():
        if name.lower() in (each.code.lower(), each.slug):
            rule = rules_in(each.family)[each.code]
            return {**rule.thresholds, **dict.fromkeys(SETTINGS, "")}
    return {}
