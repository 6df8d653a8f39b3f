"""Rules turn facts into findings. No torch."""

from __future__ import annotations

from netdoctor.rules.core import Rule, registered

# What each command may raise: codes or families, as the contract lists them; a target that the
# loss refuses is told by every command that computes one.
# fmt: off
COMMAND_RULES: dict[str, tuple[str, ...]] = {
    "deadneurons": ("ACT001", "ACT002", "ACT003"),
    "activations": ("NUM", "ACT"),
    "check-forward": (
        "NUM", "MOD001", "MOD003", "MOD004", "ACT004", "WGT001", "WGT007", "DAT004", "DAT010",
    ),
    "gradflow": ("GRD", "MOD001", "MOD002", "DAT004", "DAT010"),
    "lrfind": ("LRF", "DAT004", "DAT010"),
    "overfit": ("MOD005", "DAT004", "DAT010"),
    "diagnose-curves": ("CRV",),
}
# fmt: on


def catalogue() -> dict[str, Rule]:
    """Every rule by its code, in order."""
    from netdoctor.rules import (  # noqa: F401  registering is their effect
        activations,
        curve_learning,
        curve_stability,
        curves,
        gradient_states,
        gradients,
        head,
        learning,
        learning_rate,
        numerics,
        signals,
        state,
        targets,
        wiring,
    )

    return registered()


def rules_of(command: str) -> list[Rule]:
    """The rules that a command may raise."""
    names = COMMAND_RULES[command]
    return [each for each in catalogue().values() if any(each.answers_to(name) for name in names)]
