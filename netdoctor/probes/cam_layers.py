"""At which call to read the heat map: what the user named, or the last that still has a map."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from netdoctor.errors import NothingExaminedError, UsageError
from netdoctor.facts.gradcam import HeadKind, Layer
from netdoctor.facts.site import Site
from netdoctor.probes.stages import Seen, selected, stage_ends

_MOST_TESTED = 24
_ASPECT = 2.0
_LISTED = 4

Reaching = Callable[[Sequence[Site]], set[Site]]
"""Of these calls those whose positions, class tokens aside, have a say in the output."""


def default_layer(
    calls: Sequence[Seen], image: tuple[int, int] | None, head: HeadKind, reaching: Reaching
) -> Layer:
    """The last call with a map; of a segmentation the end of its encoder.

    Of a transformer, the last call whose patch tokens still reach the output: behind the last
    attention a class token hears nothing of them any more.

    Raises:
        NothingExaminedError: nothing in the network has a map.
    """
    maps = [each for each in calls if _is_map(each, image) and (each.weights or each.active)]
    if not maps:
        raise NothingExaminedError(
            "no call of this network gives a map of the image, with more than one row and column",
            hint="A heat map needs a network that takes images; `netdoctor layers MODEL` lists "
            "what ran, with its shapes.",
        )
    last = maps[-1]
    if last.layout is not None and last.layout.kind == "tokens":
        return _last_tokens(maps, last, reaching)
    if head == "segmentation":
        ends = set(stage_ends(calls))
        return _encoder_end([each for each in maps if each.site in ends] or maps)
    return _layer(last, "the last with a map of more than 1×1")


def named_layers(
    names: Sequence[str],
    calls: Sequence[Seen],
    missed: Callable[[Sequence[str], Sequence[Site]], Exception],
) -> tuple[list[Layer], list[str]]:
    """The calls that the user named, in call order, and a line for each that was called often.

    Args:
        names: of calls or modules, or shell patterns.
        calls: what ran.
        missed: makes the error for names that fit nothing.

    Raises:
        UsageError: one of them has no map.
    """
    sites = list(dict.fromkeys(each.site for each in calls))
    by_site = {each.site: each for each in calls}
    wanted: list[Site] = []
    notes: list[str] = []
    for name in names:
        found = selected(name, sites)
        if not found:
            raise missed([name], sites)
        last = {site.name: site for site in found}
        for site in last.values():
            count = sum(each.name == site.name for each in found)
            if count > 1:
                notes.append(
                    f"layer: {site.name} is called {count} times; taken was the last, {site}"
                )
        wanted += last.values()
    order = {site: place for place, site in enumerate(sites)}
    chosen = sorted(set(wanted), key=order.__getitem__)
    layers = []
    for site in chosen:
        _check_map(by_site[site], calls)
        layers.append(_layer(by_site[site], "as asked for"))
    return layers, notes


def where(layer: Layer) -> str:
    """`layer4#1, maps 7×7 (512 channels)`."""
    layout = layer.layout
    grid = "×".join(map(str, layout.grid))
    if layout.kind != "tokens":
        return f"{layer.site}, map {grid} of {layout.channels} channels"
    prefix = f" behind {layout.prefix} class or register token(s)" if layout.prefix else ""
    return f"{layer.site}, {grid} patches of {layout.channels} features{prefix}"


def _is_map(call: Seen, image: tuple[int, int] | None) -> bool:
    """Whether it gives one map of the image a channel, as far as its shape can tell."""
    layout = call.layout
    if layout is None or not call.whole or layout.kind not in ("maps", "tokens"):
        return False
    if not call.site.path and not call.site.operation:  # the model's own output
        return False
    rows, columns = layout.grid
    if min(rows, columns) < 2:
        return False
    if image is None:
        return layout.kind == "maps"
    stretched = rows * image[1] / (columns * image[0])
    return rows <= image[0] and columns <= image[1] and 1 / _ASPECT <= stretched <= _ASPECT


def _last_tokens(maps: Sequence[Seen], last: Seen, reaching: Reaching) -> Layer:
    """The last call of token rows, projections left out, whose patches reach the output."""
    width = 0 if last.layout is None else last.layout.channels
    alike = [
        each
        for each in maps
        if each.layout is not None
        and (each.layout.kind, each.layout.channels) == ("tokens", width)
        and not each.weighted
    ]
    tested = (alike or [last])[-_MOST_TESTED:]
    reach = reaching([each.site for each in tested])
    found = next((each for each in reversed(tested) if each.site in reach), None)
    if found is None:
        return _layer(last, "the last with patch tokens")
    behind = " (behind it only the class token counts)" if found is not tested[-1] else ""
    return _layer(found, f"the last whose patch tokens reach the output{behind}")


def _encoder_end(maps: Sequence[Seen]) -> Layer:
    """The widest of the coarsest among the last calls of each stage."""
    coarsest = min(_cells(each) for each in maps)
    coarse = [each for each in maps if _cells(each) == coarsest]
    width = max(_width(each) for each in coarse)
    found = [each for each in coarse if _width(each) == width][-1]
    return _layer(
        found,
        "the widest of the coarsest maps, where the encoder ends: behind it the maps are already "
        "the answer",
    )


def _cells(call: Seen) -> int:
    return call.grid[0] * call.grid[1]


def _width(call: Seen) -> int:
    return 0 if call.layout is None else call.layout.channels


def _layer(call: Seen, reason: str) -> Layer:
    assert call.layout is not None
    return Layer(call.site, call.kind, call.layout, reason)


def _check_map(call: Seen, calls: Iterable[Seen]) -> None:
    layout = call.layout
    if layout is not None and call.whole and layout.kind in ("maps", "tokens"):
        return
    if layout is None:
        gives = "has no picture"
    elif not call.whole:
        gives = "does not have one row an image"
    elif layout.kind == "vector":
        gives = f"is {layout.channels} numbers, without height and width"
    elif layout.kind == "series":
        gives = f"is a series of {layout.grid[0]} steps, without height and width"
    else:
        gives = f"is a {layout.kind} {'×'.join(map(str, layout.grid))}"
    good = [str(each.site) for each in calls if _is_map(each, None) and each.weights]
    hint = "`netdoctor layers MODEL` lists what ran, with its shapes."
    if good:
        hint = f"Layers with a map are {', '.join(good[-_LISTED:])}, among others. {hint}"
    raise UsageError(f"--layer {call.site}: its output {gives}: there is no heat map", hint=hint)


def described(layers: Sequence[Layer]) -> list[str]:
    """One line for the report on each layer."""
    return [f"layer: {where(each)}; {each.reason}" for each in layers]
