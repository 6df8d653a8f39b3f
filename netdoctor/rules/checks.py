"""The checks of a checkup: their order, their rules, and the names by which users ask for them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from netdoctor.errors import UsageError
from netdoctor.rules import COMMAND_RULES

REFUSED = ("DAT004", "DAT010")
"""Targets that a loss refuses: told by each check that computes one."""

# What is early explains what comes later; a rule is left to one check, even where several could
# judge it. NUM001 and NUM002 are judged over all batches by activations, and WGT007 once more by
# what the norm layers are given.
CHECKS: dict[str, tuple[str, ...]] = {
    "check-loader": ("DAT",),
    "check-weights": tuple(f"WGT00{number}" for number in range(1, 9)),
    "check-forward": ("NUM", "MOD001", "MOD003", "MOD004", "ACT004", "WGT007", *REFUSED),
    "activations": ("ACT001", "ACT002", "ACT003", "NUM001", "NUM002"),
    "gradflow": ("GRD", "MOD002", *REFUSED),
    "diagnose-curves": COMMAND_RULES["diagnose-curves"],
    "lrfind": COMMAND_RULES["lrfind"],
    "overfit": COMMAND_RULES["overfit"],
    "gradcam": COMMAND_RULES["gradcam"],
}
ON_DEMAND = ("lrfind", "overfit", "gradcam")
"""What a checkup leaves out unless it is asked for: it trains, or explains single images."""

_ALSO_CALLED = {
    "data": "check-loader",
    "loader": "check-loader",
    "weights": "check-weights",
    "kernels": "check-weights",
    "forward": "check-forward",
    "deadneurons": "activations",
    "gradients": "gradflow",
    "curves": "diagnose-curves",
}


def chosen_checks(
    only: Sequence[str] = (), skip: Sequence[str] = (), also: Sequence[str] = ()
) -> dict[str, str]:
    """Every check in order, with why it is left out; an empty text for those that are to run.

    Args:
        only: none but these; each may be a list with commas.
        skip: not these.
        also: these too, of those that run on demand.

    Raises:
        UsageError: a name that is no check, or nothing is left.
    """
    wanted, unwanted, more = (_names(*each) for each in (
        (only, "--only"), (skip, "--skip"), (also, "--with"),
    ))  # fmt: skip
    reasons = {}
    for name in CHECKS:
        reasons[name] = ""
        if name in unwanted:
            reasons[name] = "left out by --skip"
        elif wanted and name not in wanted | more:
            reasons[name] = "left out by --only"
        elif name in ON_DEMAND and name not in wanted | more:
            reasons[name] = f"runs with --with {name}"
    if all(reasons.values()):
        raise UsageError("--only and --skip leave no check", hint=f"there is {_listed()}")
    return reasons


def _names(given: Iterable[str], option: str) -> set[str]:
    names = [name.strip() for each in given for name in each.split(",") if name.strip()]
    found = {_ALSO_CALLED.get(name.lower(), name.lower()) for name in names}
    unknown = sorted(found - CHECKS.keys())
    if unknown:
        close = get_close_matches(unknown[0], [*CHECKS, *_ALSO_CALLED], 2, 0.5)
        hint = f"did you mean {' or '.join(close)}?" if close else f"there is {_listed()}"
        raise UsageError(f"{option}: there is no check {unknown[0]!r}", hint=hint)
    return found


def _listed() -> str:
    return ", ".join(CHECKS)
