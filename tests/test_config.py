from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from netdoctor.config import FLAG_ONLY, Config, FailOn, merge, parse_assignments, parse_thresholds
from netdoctor.errors import ConfigError, UsageError
from netdoctor.rules import catalogue

CONFIGS = Path(__file__).parent.parent / "configs"


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def write(text: str) -> Path:
        path = tmp_path / "settings.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_the_default_file_equals_the_defaults_and_has_every_key() -> None:
    path = CONFIGS / "default.yaml"
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert {each.encode_name for each in msgspec.structs.fields(Config)} - FLAG_ONLY == set(content)
    thresholds = {each.code: each.thresholds for each in catalogue().values()}
    assert content["rules"] == {code: values for code, values in thresholds.items() if values}
    loaded = merge({}, path).config
    assert msgspec.structs.replace(loaded, rules={}) == Config()


def test_every_key_of_the_default_file_has_a_comment() -> None:
    lines = (CONFIGS / "default.yaml").read_text(encoding="utf-8").splitlines()
    settings = [line for line in lines if ":" in line and not line.startswith(("#", "rules:"))]
    assert [line for line in settings if "#" not in line] == []


@pytest.mark.parametrize("name", ["ci.yaml", "cron.yaml"])
def test_the_other_files_are_valid_and_change_something(name: str) -> None:
    assert merge({}, CONFIGS / name).config != Config()


def test_flags_win_over_the_file_and_the_file_over_the_defaults(write: Any) -> None:
    settings = merge({"batches": 3}, write("batches: 5\nseed: 7\n"))
    assert (settings.config.batches, settings.config.seed, settings.config.workers) == (3, 7, 0)
    origins = settings.origins
    assert (origins["batches"], origins["seed"], origins["workers"]) == ("flag", "file", "default")


def test_thresholds_merge_one_by_one_and_by_either_name(write: Any) -> None:
    file = write("rules:\n  dead-units:\n    threshold: 0.6\n    error_at: 1\n")
    settings = merge({"rules": {"ACT002": {"threshold": 0.7}}}, file)
    assert settings.config.rules == {"ACT002": {"threshold": 0.7, "error_at": 1.0}}
    assert type(settings.config.rules["ACT002"]["error_at"]) is float
    assert settings.origins["rules.ACT002.threshold"] == "flag"
    assert settings.origins["rules.ACT002.error_at"] == "file"


def test_an_empty_file_changes_nothing(write: Any) -> None:
    assert merge({}, write("# nothing\n")).config == Config()


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("batch_size: 4", "batch_size: unknown key", "batch-size"),
        ("bacthes: 4", "bacthes: unknown key", "batches"),
        (
            "batches: ten",
            "batches: expected an integer, got a text; it is 'ten'",
            "the default is 10",
        ),
        ("batches: true", "batches: expected an integer, got true or false", "default"),
        ("batches: 0", "batches: expected an integer >= 1", "default"),
        ("device: gpu", "device: expected auto, cpu, cuda, cuda:N or mps; it is 'gpu'", "auto"),
        ("fail-on: info", "fail-on: expected error, warning, never; it is 'info'", "error"),
        ("mean: 0.5,x,0.5", "mean: expected a number", "0.485"),
        ("crop: [1, 2, 3]", "crop: expected a list of length 2, got 3", "224"),
        ("layers: conv1", "layers: expected a list", "[layer1.*, fc]"),
        ("select: [ACT, ACT009]", "select: there is no rule or family 'ACT009'", "ACT00"),
        ("rules: {dead-unit: {threshold: 1}}", "rules: there is no rule 'dead-unit'", "dead-units"),
        ("rules: {ACT002: {treshold: 1}}", "has no threshold 'treshold'", "threshold"),
        ("rules: {ACT002: {threshold: high}}", "must be a number, not 'high'", "0.5"),
        ("rules: {ACT001: {min_samples: 1.5}}", "must be an integer", "32"),
        ("trust-checkpoint: true", "trust-checkpoint: a file cannot turn this on", "command line"),
        ("- batches", "holds a list", "key: value"),
        ("a: [", "not valid YAML: ", "key: value"),
        ("batches: 1\nseed: }", "in line 2, column 7", "key: value"),
        ("data: ''", "data: it is empty", "leave it out"),
        ("seed: 99999999999999999999", "seed: ", "default"),
        ("workers: 9999", "workers: expected an integer <= 1024", "default"),
        ("rules: {ACT002: {threshold: .nan}}", "must be a number, not nan", "0.5"),
    ],
)
def test_a_wrong_file_is_told_with_its_name_the_key_and_a_way_out(
    write: Any, text: str, message: str, hint: str
) -> None:
    path = write(text)
    with pytest.raises(ConfigError) as caught:
        merge({}, path)
    assert str(path) in caught.value.message
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read the config file .*nowhere\.yaml"):
        merge({}, tmp_path / "nowhere.yaml")


def test_lists_may_be_written_as_flags_are() -> None:
    config = merge({"mean": "0.5,0.25,1", "crop": "224", "layers": ["a", "b.*"]}).config
    assert config.mean == (0.5, 0.25, 1.0)
    assert config.crop == (224, 224)
    assert config.layers == ("a", "b.*")
    assert merge({"crop": "224,160"}).config.crop == (224, 160)


def test_a_wrong_flag_is_a_usage_error_that_names_it() -> None:
    with pytest.raises(UsageError, match=r"^--mean: expected a number"):
        merge({"mean": "a,b"})
    with pytest.raises(UsageError, match=r"^--ignore: there is no rule"):
        merge({"ignore": ["ACT9"]})


def test_trust_checkpoint_is_a_flag() -> None:
    assert merge({"trust-checkpoint": True}).config.trust_checkpoint


def test_assignments_are_yaml_values() -> None:
    texts = ["num_classes=10", "name=a=b", "flag=true", "sizes=[1, 2]", "rate=1.0e-3", "none="]
    assert parse_assignments(texts, "--model-arg") == {
        "num_classes": 10, "name": "a=b", "flag": True, "sizes": [1, 2], "rate": 0.001, "none": None
    }  # fmt: skip


def test_assignments_of_another_form_are_usage_errors() -> None:
    with pytest.raises(UsageError, match="not of the form key=value"):
        parse_assignments(["num_classes"], "--model-arg")
    with pytest.raises(UsageError, match="not valid YAML"):
        parse_assignments(["a=["], "--model-arg")
    with pytest.raises(UsageError, match="names no threshold"):
        parse_thresholds(["ACT002=0.5"])


def test_thresholds_of_flags() -> None:
    assert parse_thresholds(["ACT002.threshold=0.6", "ACT002.error_at=1"]) == {
        "ACT002": {"threshold": 0.6, "error_at": 1}
    }


def test_a_config_is_frozen() -> None:
    with pytest.raises(AttributeError):
        Config().batches = 3


def test_fail_on_is_a_severity_or_none() -> None:
    assert [each.severity for each in FailOn] == ["error", "warning", None]


@pytest.mark.parametrize("key", ["checkpoint", "data", "weights", "out", "layers"])
def test_an_empty_value_is_no_silent_default(key: str) -> None:
    with pytest.raises(UsageError, match=f"^--{key}: it is empty") as caught:
        merge({key: [""] if key == "layers" else ""})
    assert "shell variable" in caught.value.hint


def test_what_is_wrong_with_a_file_fits_on_one_line(write: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        merge({}, write("batches: [1\n"))
    assert "\n" not in caught.value.message
