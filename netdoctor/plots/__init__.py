"""Facts as matplotlib figures, made with the object API only; no torch, no pyplot."""

from __future__ import annotations

import logging

# Matplotlib remarks on fonts and cache folders, which nobody who reads a report can act on.
if logging.getLogger("matplotlib").level == logging.NOTSET:
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
