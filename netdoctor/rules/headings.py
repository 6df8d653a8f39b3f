"""The catalogue as the sources say it: a tenth of the time that importing every rule takes."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any, NamedTuple

from netdoctor.report import Severity

_HEADING = re.compile(
    r'^@rule\(\s*"([A-Z]+\d+)",\s*"([a-z0-9-]+)",\s*Severity\.([A-Z]+),?\s*\)'
    r'\ndef .*?\n    """([^\n]*)',
    re.MULTILINE | re.DOTALL,
)


class Heading(NamedTuple):
    """What is known of a rule without importing it; the tests hold it to the rules themselves."""

    code: str
    slug: str
    severity: Severity
    summary: str

    @property
    def family(self) -> str:
        """The code without its number: `ACT`."""
        return self.code.rstrip("0123456789")

    def answers_to(self, name: str) -> bool:
        """Whether a code, slug or family names this rule; letter case does not matter."""
        return name.lower() in (self.code.lower(), self.slug, self.family.lower())


@functools.cache
def headings() -> tuple[Heading, ...]:
    """Those of the whole catalogue, in order of the codes."""
    sources = (file.read_text(encoding="utf-8") for file in Path(__file__).parent.glob("*.py"))
    found = (match.groups() for source in sources for match in _HEADING.finditer(source))
    return tuple(
        sorted(
            Heading(code, slug, Severity[severity], summary.rstrip("."))
            for code, slug, severity, summary in found
        )
    )


def settings_of(name: str) -> dict[str, Any]:
    """What may be set for the rule of that code or slug, with its defaults; nothing if none."""
    from netdoctor.rules import rules_in
    from netdoctor.rules.core import SETTINGS

    for each in headings():
        if name.lower() in (each.code.lower(), each.slug):
            rule = rules_in(each.family)[each.code]
            return {**rule.thresholds, **dict.fromkeys(SETTINGS, "")}
    return {}
