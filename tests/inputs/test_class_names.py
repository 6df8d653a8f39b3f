from __future__ import annotations

from pathlib import Path

import pytest
from torchvision.models import ResNet18_Weights

from netdoctor.errors import UsageError
from netdoctor.inputs.class_names import imagenet_names, index_of, read_names


def test_imagenets_names_are_torchvisions() -> None:
    assert list(imagenet_names()) == ResNet18_Weights.DEFAULT.meta["categories"]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("a.txt", "cat\ndog\n\n"),
        ("a.json", '["cat", "dog"]'),
        ("a.json", '{"0": ["n02123045", "cat"], "1": ["n02084071", "dog"]}'),
        ("a.json", '{"cat": 0, "dog": 1}'),
        ("a.yaml", "- cat\n- dog\n"),
        ("a.yml", "names:\n  0: cat\n  1: dog\n"),
    ],
)
def test_the_forms_of_a_file(tmp_path: Path, file: str, text: str) -> None:
    (tmp_path / file).write_text(text)
    assert read_names(tmp_path / file) == ("cat", "dog")


@pytest.mark.parametrize(
    ("file", "text"), [("a.json", "{"), ("a.json", "3"), ("a.txt", "\n"), ("a.yaml", "{x: [}")]
)
def test_what_holds_no_names_is_refused(tmp_path: Path, file: str, text: str) -> None:
    (tmp_path / file).write_text(text)
    with pytest.raises(UsageError, match=file):
        read_names(tmp_path / file)


def test_a_name_is_found_or_near_ones_are_told() -> None:
    names = ["crane", "Egyptian cat", "tiger cat", "Crane"]
    assert index_of("EGYPTIAN-CAT", names) == 1
    assert index_of("crane", names) == 0
    with pytest.raises(UsageError, match="several"):
        index_of("CRANE", names)
    with pytest.raises(UsageError) as caught:
        index_of("cat", names)
    assert "Egyptian cat" in caught.value.hint
