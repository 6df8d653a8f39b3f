"""Files of weights, well, sick and forged, for the tests of check-weights."""

from __future__ import annotations

import io
import json
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import nn


def network() -> nn.Sequential:
    """A small network with every kind of tensor, as if it had been trained."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16), nn.ReLU(), nn.Flatten(), nn.LazyLinear(8)
    )
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.randn(4, 3, 8, 8)).square().mean().backward()
    optimizer.step()
    with torch.no_grad():
        for each in (model[0].weight, model[4].weight):
            each.mul_(each.abs() / each.abs().mean())  # no longer as drawn
    return model


def forged(path: Path, header: Any, data: bytes = b"", length: int | None = None) -> Path:
    """A safetensors file with any header, which may claim any length."""
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(raw) if length is None else length) + raw + data)
    return path


def entry(begin: int, end: int, shape: list[int], dtype: str = "F32") -> dict[str, Any]:
    """What a safetensors header says of a tensor."""
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def archive(
    path: Path, content: bytes, *, compression: int = zipfile.ZIP_STORED, **entries: bytes
) -> Path:
    """A zip file as torch.save writes one, around any pickle."""
    with zipfile.ZipFile(path, "w", compression) as file:
        file.writestr("archive/data.pkl", content)
        file.writestr("archive/version", b"3\n")
        for name, data in entries.items():
            file.writestr(f"archive/data/{name.removeprefix('at_')}", data)
    return path


class Attack:
    """Pickled, it asks for a file to be written."""

    def __init__(self, target: Path, by: str = "os") -> None:
        self.target, self.by = target, by

    def __reduce__(self) -> Any:
        import os

        return (os.system, (f"touch {self.target}",)) if self.by == "os" else (
            exec, (f"open({str(self.target)!r}, 'w')",)
        )  # fmt: skip


def pickled(value: Any) -> bytes:
    """The value as torch.save pickles it."""
    stream = io.BytesIO()
    pickle.Pickler(stream, 2).dump(value)
    return stream.getvalue()
