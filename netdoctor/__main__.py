"""`netdoctor` and `python -m netdoctor`."""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code of the command line, `sys.argv` by default."""
    from netdoctor.cli.run import run

    if arguments is not None:
        return run(arguments)
    code = run(sys.argv[1:])
    gc.freeze()  # at exit the collector need not walk through all of torch once more
    return code


if __name__ == "__main__":
    sys.exit(main())
