"""What can stop an examination: each error says what happened, why, and what to do next."""

from __future__ import annotations

from typing import ClassVar


class NetDoctorError(Exception):
    """Base of all errors that a user can cause; the command line turns it into exit code 2.

    Args:
        message: what happened and why, in one or two sentences.
        hint: what to do next; empty when the message already says it.
    """

    kind: ClassVar[str] = "error"

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(NetDoctorError):
    """An option or argument that cannot be meant as given."""

    kind = "usage"


class ConfigError(NetDoctorError):
    """A configuration file that is missing, malformed, or has an unknown key."""

    kind = "config"


class ModelError(NetDoctorError):
    """A model that cannot be found, built, or run."""

    kind = "model"


class CheckpointError(NetDoctorError):
    """A file that is not a checkpoint, is refused, or does not fit the model."""

    kind = "checkpoint"


class DataError(NetDoctorError):
    """Data that cannot be found, read, or turned into batches."""

    kind = "data"


class LogError(NetDoctorError):
    """A training log that cannot be found or read, or that holds no curve."""

    kind = "log"


class NoCurveYetError(LogError):
    """A log that is empty, half written, or speaks of nothing that is known."""


class NothingExaminedError(NetDoctorError):
    """Everything ran, but there was nothing to judge: no layer matched, no sample came."""

    kind = "nothing-examined"
