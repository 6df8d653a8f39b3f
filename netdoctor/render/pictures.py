"""Pictures made small enough to travel inside a page, the largest first."""

from __future__ import annotations

import base64
import dataclasses
import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

MOST = 150
"""Pictures in one page; of more, each would be too small to see anything in it."""
_SCALES = (1.0, 0.7, 0.5, 0.35, 0.25, 0.15, 0.08)
_CHART_COLOURS = 4096  # a chart has fewer colours than that, a photograph more
_LARGEST_WEBP = 16_383  # pixels on a side
_UNSEEN = "it is too large to be shown in the page"


@dataclasses.dataclass(frozen=True, slots=True)
class Embedded:
    """A picture inside the page.

    Attributes:
        path: the file it was read from.
        uri: the whole picture as a data: URI.
        width: of the file in pixels; 0 for a drawing, which says its own size.
        height: of the file in pixels; 0 for a drawing.
        scale: of what the page holds to the file; 1 when nothing was lost to size.
    """

    path: Path
    uri: str
    width: int = 0
    height: int = 0
    scale: float = 1.0


@dataclasses.dataclass(frozen=True, slots=True)
class LeftOut:
    """A picture that the page does not hold, and why."""

    path: Path
    reason: str


@dataclasses.dataclass(slots=True)
class _Candidate:
    """A picture at the step of smallness that it has reached: 0 is the file as it is."""

    path: Path
    content: bytes
    kind: str
    width: int
    height: int
    scale: float = 1.0
    step: int = 0

    @property
    def size(self) -> int:
        return len(self.content) * 4 // 3 + 200

    @property
    def shrinks(self) -> bool:
        return self.kind != "svg+xml" and self.step < len(_SCALES)

    def shrink(self) -> bool:
        """Takes the next step; False when there is none."""
        if not self.shrinks:
            return False
        scale = _SCALES[self.step]
        self.step += 1
        content, kind = _encoded(self.path, scale)
        if len(content) < len(self.content):
            self.content, self.kind, self.scale = content, kind, scale
        return True


def embed(paths: Sequence[Path], budget: int) -> tuple[list[Embedded], list[LeftOut]]:
    """The pictures that a page has room for, in their order, and those that it has not.

    Each is kept as it is where all fit; else the largest are encoded anew and scaled down, one
    step at a time, and when that is not enough the last ones are left out.

    Args:
        paths: PNG and SVG files.
        budget: bytes that they may take as data: URIs.
    """
    left_out = [LeftOut(path, f"only the first {MOST} are shown") for path in paths[MOST:]]
    candidates: list[_Candidate] = []
    for path in paths[:MOST]:
        try:
            candidates.append(_opened(path))
        except _unreadable() as error:
            left_out.append(LeftOut(path, f"it cannot be read: {_told(error)}"))
    for over in _dropped(candidates, budget):
        left_out.append(LeftOut(over.path, _UNSEEN))
    return [_embedded(each) for each in candidates], left_out


def _dropped(candidates: list[_Candidate], budget: int) -> list[_Candidate]:
    """Shrinks the candidates until they fit, and takes out those that cannot."""
    dropped = [each for each in candidates if not each.shrinks and each.size > budget * 2 // 3]
    for each in dropped:
        candidates.remove(each)
    while sum(each.size for each in candidates) > budget:
        by_size = sorted(candidates, key=lambda each: each.size, reverse=True)
        if any(each.shrink() for each in by_size):
            continue
        dropped.append(candidates.pop())
    return dropped


def _opened(path: Path) -> _Candidate:
    content = path.read_bytes()
    if path.suffix.lower() == ".svg":
        return _Candidate(path, content, "svg+xml", 0, 0)
    with _image(content) as image:
        image.verify()
        return _Candidate(path, content, "png", *image.size)


def _encoded(path: Path, scale: float) -> tuple[bytes, str]:
    """The picture at that scale: a chart in 256 colours, a photograph as the eye sees it."""
    from PIL import Image

    with _image(path.read_bytes()) as stored:
        few = stored.mode in ("P", "L") or stored.getcolors(_CHART_COLOURS) is not None
        image = stored.convert("RGB")
    if scale < 1:
        size = [max(round(side * scale), 1) for side in image.size]
        image = image.resize((size[0], size[1]), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    if few or max(image.size) > _LARGEST_WEBP:
        image.quantize(256, method=Image.Quantize.FASTOCTREE).save(file, "PNG", compress_level=7)
        return file.getvalue(), "png"
    image.save(file, "WEBP", quality=82 if scale == 1 else 72, method=2)
    return file.getvalue(), "webp"


def _image(content: bytes) -> Any:
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        return Image.open(io.BytesIO(content))


def _unreadable() -> tuple[type[Exception], ...]:
    from PIL import Image

    return OSError, SyntaxError, ValueError, Image.DecompressionBombError


def _told(error: Exception) -> str:
    return getattr(error, "strerror", None) or type(error).__name__


def _embedded(each: _Candidate) -> Embedded:
    encoded = base64.b64encode(each.content).decode("ascii")
    uri = f"data:image/{each.kind};base64,{encoded}"
    return Embedded(each.path, uri, each.width, each.height, each.scale)
