"""`netdoctor` and `python -m netdoctor`."""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence

_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code of the command line, `sys.argv` by default."""
    try:
        from netdoctor.cli.run import run  # for half a second, in which Ctrl-C may come
    except BaseException as error:
        if not isinstance(error.__cause__ or error, KeyboardInterrupt):
            raise
        print("interrupted", file=sys.stderr)
        return _INTERRUPTED
    if arguments is not None:
        return run(arguments)
    code = run(sys.argv[1:])
    gc.freeze()  # at exit the collector need not walk through all of torch once more
    return code


if __name__ == "__main__":
    sys.exit(main())
