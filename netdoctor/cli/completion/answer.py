"""What a shell's completion function asks, and the answer: a line a candidate, and its help."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence

from netdoctor.cli.completion.candidate import Candidate
from netdoctor.cli.completion.parameters import (
    Parameter,
    commands,
    is_waited_for,
    locate,
    parameters_of,
)
from netdoctor.cli.completion.values import values

ANY_FILE = "\tfiles"
"""The line that leaves it to the shell to offer files."""

_GLOBAL = {
    "--help": "Show the help.",
    "--version": "Show the version.",
    "--install-completion": "Turn on completion: bash, zsh or fish.",
    "--show-completion": "Print the completion script of a shell.",
}
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_MARKUP = re.compile(r"\[/?[a-z]+\]")


def answer(shell: str, arguments: Sequence[str]) -> int:
    """Prints what may stand in the place of the last word.

    Args:
        shell: bash, zsh or fish.
        arguments: zsh, fish: the words behind the command's name, the last one as far as it is
            typed. bash: the line up to the cursor, and `$COMP_WORDBREAKS`.
    """
    if shell == "bash":
        from netdoctor.cli.completion.line import parse

        line = parse(arguments[0], arguments[1])
        offered = complete(_behind_the_program(line.words))
        lines = None if offered is None else [line.insertion(each.value) for each in offered]
    else:
        typed = [*arguments[:-1], _unquoted(arguments[-1]) if shell == "fish" else arguments[-1]]
        offered = complete(typed)
        lines = None if offered is None else [f"{each.value}\t{each.help}" for each in offered]
    for each in [ANY_FILE] if lines is None else lines:
        print(each)
    return 0


def complete(words: Sequence[str]) -> list[Candidate] | None:
    """What may stand in the place of the last word; None for any file or folder.

    Args:
        words: those behind the program's name, without quotes.
    """
    offered = _complete(words)
    return None if offered is None else [each for each in map(_tidy, offered) if each is not None]


def _complete(words: Sequence[str]) -> list[Candidate] | None:
    *before, typed = words or ("",)
    if not before:
        named = _GLOBAL if typed.startswith("-") else commands()
        return _beginning(typed, [Candidate(*each) for each in named.items()])
    if before[0] in ("--install-completion", "--show-completion"):
        return _beginning(typed, [Candidate(each) for each in ("bash", "zsh", "fish")])
    known = parameters_of(before[0])
    if known is None:
        return []
    cursor = locate(before[0], before[1:], known)
    option, equals, value = typed.partition("=")
    assigned = next((each for each in known if equals and option in each.options), None)
    if is_waited_for(cursor) and cursor.parameter is not None:
        return values(cursor.parameter, typed, cursor)
    if assigned is not None:
        fitting = values(assigned, value, cursor)
        return fitting and [Candidate(f"{option}={each.value}", each.help) for each in fitting]
    if typed.startswith("-") or cursor.parameter is None:
        return _beginning(typed, _options(known, cursor.given))
    return values(cursor.parameter, typed, cursor)


def _options(known: Sequence[Parameter], given: dict[str, list[str]]) -> list[Candidate]:
    offered = [
        Candidate(option, each.help)
        for each in known
        for option in each.options
        if each.repeats or each.name not in given
    ]
    return [*offered, Candidate("--help", _GLOBAL["--help"])]


def _beginning(typed: str, offered: Sequence[Candidate]) -> list[Candidate]:
    return [each for each in offered if each.value.startswith(typed)]


def _tidy(candidate: Candidate) -> Candidate | None:
    """With its help on one line; None for a name that a terminal or the protocol cannot take."""
    encoding = sys.stdout.encoding or "utf-8"
    if not candidate.value.isprintable():
        return None
    try:
        candidate.value.encode(encoding)
    except UnicodeEncodeError:
        return None
    plain = " ".join(_MARKUP.sub("", candidate.help).split())
    shown = "".join(each if each.isprintable() else "?" for each in plain)
    return Candidate(candidate.value, shown.encode(encoding, "replace").decode(encoding))


def _behind_the_program(words: Sequence[str]) -> Sequence[str]:
    """Without the program's name and the assignments before it: `SEED=1 netdoctor …`."""
    first = next((at for at, each in enumerate(words) if not _ASSIGNMENT.match(each)), 0)
    return words[first + 1 :]


def _unquoted(word: str) -> str:
    from netdoctor.cli.completion.line import parse

    return parse(word, "").words[-1]
