"""What fits each option and argument."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from netdoctor.cli import layer_cache
from netdoctor.cli.completion.candidate import Candidate, words
from netdoctor.cli.completion.parameters import Cursor, Parameter
from netdoctor.cli.completion.paths import paths, specs
from netdoctor.rules.checks import CHECKS, ON_DEMAND

Offer = Callable[[str, Cursor], list[Candidate]]
"""(what is typed of the value, where) -> what may stand there."""

_WEIGHT_FILES = (".safetensors", ".index.json", ".pt", ".pth", ".ckpt", ".bin")


def values(parameter: Parameter, typed: str, cursor: Cursor) -> list[Candidate] | None:
    """What fits a parameter and begins with what is typed; None for any file or folder."""
    if parameter.choices:
        offered = words(parameter.choices)
    elif parameter.is_file:
        return None
    else:
        offered = _OFFERS.get(parameter.name, _fixed())(typed, cursor)
    already = set(cursor.given.get(parameter.name, ())) if parameter.repeats else set()
    fitting = [each for each in offered if each.value.startswith(typed)]
    return [each for each in fitting if each.value not in already]


def _models(typed: str, cursor: Cursor) -> list[Candidate]:
    from netdoctor.inputs.torchvision_names import torchvision_names

    named = [] if ":" in typed or "/" in typed else words(torchvision_names())
    files = paths(typed, endings=_WEIGHT_FILES) if cursor.command == "kernels" else []
    return _merged([*named, *specs(typed), *files])


def _data(typed: str, cursor: Cursor) -> list[Candidate]:
    named = [Candidate("random", "seeded random input"), Candidate("torchvision:")]
    return _merged([*named, *specs(typed), *paths(typed)])


def _losses(typed: str, cursor: Cursor) -> list[Candidate]:
    return [*words(("cross-entropy", "bce", "mse")), *specs(typed)]


def _layers(typed: str, cursor: Cursor) -> list[Candidate]:
    model = next(iter(cursor.given.get("model", ())), "")
    return words(layer_cache.recall(model)) if model else []


def _rules(typed: str, cursor: Cursor) -> list[Candidate]:
    from netdoctor.rules.headings import headings

    families = sorted({each.family for each in headings()})
    return [*(Candidate(each, "the whole family") for each in families), *_codes(typed, cursor)]


def _codes(typed: str, cursor: Cursor) -> list[Candidate]:
    from netdoctor.rules.headings import headings

    codes = [Candidate(each.code, each.slug) for each in headings()]
    return [*codes, *(Candidate(each.slug, each.code) for each in headings())]


def _thresholds(typed: str, cursor: Cursor) -> list[Candidate]:
    """`ACT002.` and, once there is the point, `ACT002.threshold=`; codes in any letter case."""
    from netdoctor.rules.headings import headings, settings_of

    rule, point, _ = typed.partition(".")
    if not point:
        return [Candidate(f"{name}.") for each in headings() for name in (each.code, each.slug)]
    return [Candidate(f"{rule}.{name}=", f"{value}") for name, value in settings_of(rule).items()]


def _fixed(*offered: str) -> Offer:
    return lambda typed, cursor: words(offered)


def _merged(offered: list[Candidate]) -> list[Candidate]:
    return list({each.value: each for each in reversed(offered)}.values())[::-1]


_OFFERS: Mapping[str, Offer] = {
    "model": _models,
    "data": _data,
    "against": _data,
    "loss": _losses,
    "layers": _layers,
    "layer": _layers,
    "select": _rules,
    "ignore": _rules,
    "code": _codes,
    "set": _thresholds,
    "only": _fixed(*CHECKS),
    "skip": _fixed(*CHECKS),
    "also": _fixed(*ON_DEMAND),
    "report": _fixed("html=", "json=", "junit=", "github=", "text="),
    "device": _fixed("auto", "cpu", "cuda", "cuda:0", "mps"),
    "weights": _fixed("DEFAULT"),
    "target": _fixed("predicted", "positive", "negative"),
}
