"""Data that are loaded once and read by several examinations."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

from netdoctor.inputs.batches import Batch
from netdoctor.inputs.data import Data

_MOST = 256 * 2**20  # bytes of batches that are kept rather than loaded again


class Held(Data):
    """The batches of other data, kept from the first reading on where they are not too many.

    Args:
        source: the data.
        late: whether to stop after the next batch; the first is always given.
        most: bytes to keep; what is larger is loaded again for each reading.
    """

    def __init__(self, source: Data, *, late: Callable[[], bool], most: int = _MOST) -> None:
        super().__init__(
            source.description,
            self._read,
            training_pass=source.training_pass,
            synthetic=source.synthetic,
            notes=source.notes,
            preprocessing=source.preprocessing,
            samples=source.samples,
        )
        self._source = source
        self._late = late
        self._most = most
        self._kept: list[Batch] | None = None

    def first(self, number: int = 1) -> Data:
        """Only so many batches of them."""
        return Data(
            self.description,
            lambda: itertools.islice(self._read(), number),
            training_pass=self.training_pass,
            synthetic=self.synthetic,
            notes=self.notes,
            preprocessing=self.preprocessing,
            samples=self.samples,
        )

    def _read(self) -> Iterator[Batch]:
        for number, batch in enumerate(self._batches()):
            if number and self._late():
                return
            yield batch

    def _batches(self) -> Iterator[Batch]:
        if self._kept is not None:
            yield from (each.copied() for each in self._kept)
            return
        kept: list[Batch] | None = []
        size = 0
        for batch in self._source:
            size += batch.nbytes or self._most + 1
            kept = None if kept is None or size > self._most else [*kept, batch.copied()]
            yield batch
        self._kept = kept
