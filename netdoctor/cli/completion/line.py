"""A line that is being typed in bash: its words, and a candidate as bash inserts it."""

from __future__ import annotations

import dataclasses

_BLANK = " \t\n"
_SPECIAL = frozenset(" \t\n\\'\"`$&|;<>()[]{}*?!#~^")
_ESCAPED_IN_DOUBLE = '$`"\\'


@dataclasses.dataclass(frozen=True, slots=True)
class Line:
    """What is typed.

    Attributes:
        words: without their quotes, the last one as far as it is typed, possibly empty.
        kept: how many characters of the last word, without quotes, bash leaves in place.
        quote: the quotation mark that is open at the end, or nothing.
    """

    words: tuple[str, ...]
    kept: int
    quote: str

    def insertion(self, value: str) -> str:
        """What bash has to put in the place of the piece that it replaces, quoted."""
        rest = value[self.kept :]
        if self.quote == "'":
            return rest.replace("'", "'\\''")
        if self.quote == '"':
            return "".join(f"\\{each}" if each in _ESCAPED_IN_DOUBLE else each for each in rest)
        return "".join(
            f"\\{each}" if each in _SPECIAL and (each != "~" or place + self.kept) else each
            for place, each in enumerate(rest)
        )


def parse(text: str, breaks: str) -> Line:
    """The words of a line up to the cursor.

    Args:
        text: the line, from the command's name on.
        breaks: bash's `$COMP_WORDBREAKS`: it replaces only what is behind the last of them.
    """
    words: list[str] = []
    word: list[str] = []
    kept, quote, begun = 0, "", False
    characters = iter(text)
    for each in characters:
        if quote:
            if each == quote:
                quote = ""
            elif each == "\\" and quote == '"':
                following = next(characters, "")
                word.append(following if following in _ESCAPED_IN_DOUBLE else each + following)
            else:
                word.append(each)
        elif each in _BLANK:
            if begun:
                words.append("".join(word))
            word, kept, begun = [], 0, False
            continue
        elif each in "'\"":
            quote = each
            kept = sum(map(len, word))
        elif each == "\\":
            word.append(next(characters, ""))
        else:
            word.append(each)
            if each in breaks:
                kept = sum(map(len, word))
        begun = True
    return Line((*words, "".join(word)), kept, quote)
