"""Sick training logs, one fault each, beside a healthy network."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.zoo.sick import SICK, Sick, subject, trained

LOGS: list[str] = []


def _log(codes: str, name: str, **columns: Any) -> None:
    read = {key: [float(each) for each in values] for key, values in columns.items()}
    log = {"epoch": [float(index) for index in range(len(_E))]} | read
    LOGS.append(f"log: {name}")
    SICK.append(
        Sick(LOGS[-1], frozenset(codes.split()),
             lambda: subject("mlp-ReLU", trained("mlp-ReLU"), log=log))
    )  # fmt: skip


def _noise(seed: int, size: int, scale: float) -> Any:
    return np.random.default_rng(seed).normal(0, scale, size)


_E = np.arange(40)
_FALL = 2.2 * np.exp(-_E / 6) + 0.12
_SLOW = 2.0 * np.exp(-_E / 9) + 0.3
_N = _noise(0, 40, 0.01)
_log(
    "CRV001",
    "overfitting",
    train_loss=_FALL - 0.1,
    val_loss=_FALL + 0.2 + np.maximum(0, _E - 12) * 0.03 + _N,
)
_log(
    "CRV001",
    "overfitting, accuracy",
    loss=_FALL - 0.1,
    val_loss=_SLOW + np.maximum(0, _E - 15) ** 1.4 * 0.02 + _N,
    accuracy=1 - _FALL / 2.6,
    val_accuracy=0.85 - np.exp(-_E / 5) * 0.7 - np.maximum(0, _E - 15) * 0.003,
)
_log(
    "CRV002",
    "underfitting",
    train_loss=1.9 + 0.3 * np.exp(-_E / 5) + _N,
    val_loss=1.93 + 0.3 * np.exp(-_E / 5) + _N,
    train_acc=0.27 - 0.15 * np.exp(-_E / 5),
    val_acc=0.26 - 0.15 * np.exp(-_E / 5),
)
_log(
    "CRV002 CRV010",
    "underfitting, barely better",
    loss=2.2 + 0.1 * np.exp(-_E / 3) + _N / 3,
    val_loss=2.21 + 0.1 * np.exp(-_E / 3) + _N / 3,
)
_log(
    "CRV003 CRV008 CRV009",
    "unstable",
    train_loss=np.abs(0.9 + np.where(_E % 2, 0.5, -0.4) * (1 + _noise(1, 40, 0.3))),
    val_loss=np.abs(1.0 + np.where(_E % 3, 0.4, -0.4) * (1 + _noise(2, 40, 0.3))),
)
_log(
    "CRV003 CRV009",
    "unstable late",
    train_loss=_FALL + np.where(_E > 8, np.abs(_noise(3, 40, 0.5)), 0),
    val_loss=_FALL + 0.1 + np.where(_E > 8, np.abs(_noise(4, 40, 0.5)), 0),
)
_log(
    "CRV004 CRV001",
    "gap",
    train_loss=_FALL - 0.11,
    val_loss=1.3 + 0.9 * np.exp(-_E / 4) + _N,
    accuracy=0.995 - 0.9 * np.exp(-_E / 5),
    val_accuracy=0.55 - 0.45 * np.exp(-_E / 4),
)
_log("CRV004", "gap of losses", loss=_FALL - 0.1, val_loss=0.9 + 1.3 * np.exp(-_E / 4) + _N)
_log(
    "CRV005",
    "nan",
    train_loss=[*_FALL[:20], *["nan"] * 20],
    val_loss=[*_FALL[:20] + 0.1, *["nan"] * 20],
)
_log("CRV005", "nan at once", loss=[2.3, *["nan"] * 39], val_loss=["nan"] * 40)
_log(
    "CRV006",
    "divergence",
    train_loss=np.where(_E < 12, _FALL, _FALL[12] * 1.35 ** np.maximum(0, _E - 12)),
    val_loss=np.where(_E < 12, _FALL, _FALL[12] * 1.37 ** np.maximum(0, _E - 12)),
)
_log("CRV006", "divergence from the start", loss=2.3 * 1.2**_E, val_loss=2.4 * 1.2**_E)
_log(
    "CRV007",
    "plateau",
    train_loss=np.where(_E < 3, 2.3 - 0.3 * _E, 1.4) + _N / 5,
    val_loss=np.where(_E < 3, 2.35 - 0.3 * _E, 1.45) + _N / 5,
)
_log(
    "CRV008",
    "oscillating",
    train_loss=_FALL,
    val_loss=_FALL + 0.3 + np.where(_E % 2, 0.5, 0.0) + _N,
)
_log(
    "CRV008 CRV003",
    "oscillating, accuracy",
    train_loss=_FALL,
    val_loss=_FALL + np.abs(_noise(5, 40, 0.7)),
    val_accuracy=0.8 - np.abs(_noise(6, 40, 0.2)),
)
_log(
    "CRV009",
    "spike",
    train_loss=_FALL + np.where(_E == 25, 3.0, 0) + _N / 5,
    val_loss=_FALL + 0.1 + _N / 5,
)
_log(
    "CRV009",
    "spike that decays",
    loss=_FALL + np.where(_E >= 22, 2.5 * np.exp(-np.maximum(0, _E - 22) / 1.5), 0),
    val_loss=_FALL + 0.05 + np.where(_E >= 22, 2.5 * np.exp(-np.maximum(0, _E - 22) / 1.5), 0),
)
_log(
    "CRV010",
    "not learning",
    train_loss=2.303 + _N / 3,
    val_loss=2.304 + _N / 4,
    accuracy=0.1 + _N / 2,
)
_log("CRV010", "not learning at all", loss=[0.6931] * 40, val_loss=[0.6932] * 40)
