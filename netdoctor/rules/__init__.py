"""Rules turn facts into findings. No torch."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module

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
    "graph": ("NUM", "ACT", "WGT"),
    "lrfind": ("LRF", "DAT004", "DAT010"),
    "gradcam": ("CAM",),
    "overfit": ("MOD005", "DAT004", "DAT010"),
    "check-loader": ("DAT",),
    "kernels": ("WGT",),
    "check-weights": ("WGT",),
    "diagnose-curves": ("CRV",),
    "checkup": (
        "DAT", *(f"WGT00{number}" for number in range(1, 9)), "NUM", "ACT", "MOD", "GRD", "CRV",
        "LRF", "CAM",
    ),
}
# fmt: on


# Where the rules of a family are, or of a code; a command imports those of its own rules only.
_MODULES: dict[str, tuple[str, ...]] = {
    "ACT": ("activations", "wiring"),
    "CAM": ("explain", "sanity"),
    "CRV": ("curve_gaps", "curve_learning", "curve_stability", "curves"),
    "DAT": ("class_balance", "copies", "data", "loading", "scaling", "targets"),
    "DAT004": ("targets",),
    "DAT010": ("targets",),
    "GRD": ("gradient_states", "gradients"),
    "LRF": ("learning_rate",),
    "MOD": ("head", "learning", "wiring"),
    "NUM": ("numerics", "signals"),
    "WGT": ("filters", "state", "weight_changes", "weights"),
}


def catalogue() -> dict[str, Rule]:
    """Every rule by its code, in order."""
    return _imported(_MODULES)


def rules_of(command: str) -> list[Rule]:
    """The rules that a command may raise."""
    names = COMMAND_RULES[command]
    places = [name if name in _MODULES else name.rstrip("0123456789") for name in names]
    known = _imported(places).values()
    return [each for each in known if any(each.answers_to(name) for name in names)]


def rules_in(family: str) -> dict[str, Rule]:
    """The rules of a family by their code; no more than its own modules are imported."""
    known = _imported([family]).values()
    return {each.code: each for each in known if each.family == family}


def _imported(places: Iterable[str]) -> dict[str, Rule]:
    """The rules registered once the modules of these families and codes are imported."""
    for module in {each for place in places for each in _MODULES[place]}:
        import_module(f"netdoctor.rules.{module}")
    return registered()
