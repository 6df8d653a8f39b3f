"""A line of bash, cut into words, and candidates put into it again."""

from __future__ import annotations

import shlex
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netdoctor.cli.completion.line import parse

BREAKS = " \t\n\"'@><=;|&(:"


@pytest.mark.parametrize(
    ("text", "words", "kept", "quote"),
    [
        ("netdoctor ", ("netdoctor", ""), 0, ""),
        ("netdoctor a.py:fa", ("netdoctor", "a.py:fa"), 5, ""),
        ("netdoctor a\\ b.py:", ("netdoctor", "a b.py:"), 7, ""),
        ("netdoctor 'a b.py:fa", ("netdoctor", "a b.py:fa"), 0, "'"),
        ("netdoctor x'a b.py:fa", ("netdoctor", "xa b.py:fa"), 1, "'"),
        ("netdoctor 'a b.py':fa", ("netdoctor", "a b.py:fa"), 7, ""),
        ('netdoctor "a \\"b', ("netdoctor", 'a "b'), 0, '"'),
        ('netdoctor "a \\b', ("netdoctor", "a \\b"), 0, '"'),
        ("netdoctor a\\:b", ("netdoctor", "a:b"), 0, ""),
        ("netdoctor --format=js", ("netdoctor", "--format=js"), 9, ""),
        ("netdoctor '' x", ("netdoctor", "", "x"), 0, ""),
        ("netdoctor a\\", ("netdoctor", "a"), 0, ""),
    ],
)
def test_words(text: str, words: tuple[str, ...], kept: int, quote: str) -> None:
    line = parse(text, BREAKS)
    assert (line.words, line.kept, line.quote) == (words, kept, quote)


NAMES = st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=12)


@given(st.lists(NAMES, min_size=1), NAMES)
def test_words_are_those_of_a_shell(before: list[str], last: str) -> None:
    text = shlex.join([*before, last])
    assert parse(text, BREAKS).words == (*before, last)


@given(NAMES, st.sampled_from(["", "'", '"']))
def test_an_insertion_is_the_value_again(value: str, quote: str) -> None:
    inserted = parse(f"x {quote}", BREAKS).insertion(value)
    assert parse(f"x {quote}{inserted}{quote}", BREAKS).words[-1] == value


@pytest.mark.parametrize("quote", ["", "'", '"'])
def test_bash_reads_an_insertion_as_the_value(quote: str) -> None:
    value = "".join(chr(each) for each in range(32, 127)) + "é~!$(echo no)`echo no`"
    inserted = parse(f"x {quote}", BREAKS).insertion(value)
    script = f"printf %s {quote}{inserted}{quote}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == value


def test_the_home_folder_stays_what_it_is() -> None:
    assert parse("x ~/a", BREAKS).insertion("~/a b") == "~/a\\ b"
    assert parse("x a", BREAKS).insertion("a~") == "a\\~"
