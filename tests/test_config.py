from __future__ import annotations

import contextlib
import functools
import tempfile
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from netdoctor.cli.app import make_app
from netdoctor.cli.examine import to_repeat
from netdoctor.cli.own_options import from_file
from netdoctor.config import FLAG_ONLY, KEYS, CommandKeys, Config, FailOn, merge
from netdoctor.errors import ConfigError, UsageError
from netdoctor.rules import catalogue
from netdoctor.settings.assignments import parse_assignments, parse_thresholds
from netdoctor.settings.files import SettingsFile, read_found

CONFIGS = Path(__file__).parent.parent / "configs"


@functools.cache
def commands() -> Mapping[str, CommandKeys]:
    return make_app("").command_keys


def plain(value: Any) -> Any:
    return value.value if isinstance(value, Enum) else value


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
    known = {each.encode_name for each in msgspec.structs.fields(Config)} - FLAG_ONLY
    assert known | {"commands"} == set(content)
    thresholds = {each.code: each.thresholds for each in catalogue().values()}
    assert content["rules"] == {code: values for code, values in thresholds.items() if values}
    loaded = merge({}, path, commands=commands).config
    assert msgspec.structs.replace(loaded, rules={}) == Config()


def test_the_default_file_has_the_options_of_every_command_with_their_defaults() -> None:
    content = yaml.safe_load((CONFIGS / "default.yaml").read_text(encoding="utf-8"))["commands"]
    defaults = {
        name: {key: plain(own.default) for key, own in keys.own.items()}
        for name, keys in commands().items()
        if keys.own
    }
    assert content == defaults


def test_every_key_of_the_default_file_has_a_comment() -> None:
    lines = (CONFIGS / "default.yaml").read_text(encoding="utf-8").splitlines()
    headings = ("#", "rules:", "commands:", *(f"  {name}:" for name in commands()))
    settings = [line for line in lines if ":" in line and not line.startswith(headings)]
    assert [line for line in settings if "#" not in line] == []


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
        (
            "rules: {dead-unit: {threshold: 1}}",
            "rules.dead-unit: there is no rule 'dead-",
            "-units",
        ),
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
        (f"seed: 0x{'f' * 9000}", "it is a number of thousands of digits", "default"),
        (f"seed: {'9' * 9000}", "not valid YAML: Exceeds the limit", "key: value"),
        (f"device: {'x' * 9000}", "xxx...", "auto"),
        ("rules: {dead-unit: {}}", "rules.dead-unit: there is no rule", "dead-units"),
        ("rules: {ACT002: }", "rules: expected a mapping, got nothing", "threshold"),
        ("batches: 1\nbatches: 2", "'batches' stands here for the second time in line 2", "key: "),
        (r'out: "a\0b"', r"out: it holds a character that no name can: 'a\x00b'", "leave it out"),
        (r'data: "\uD800"', "data: it holds a character", "leave it out"),
        (r'layers: [a, "b\0"]', "layers: it holds a character", "leave it out"),
        ("1: 2", "1: unknown key", "netdoctor config"),
        ("~: 2", "None: unknown key", "netdoctor config"),
        ("[1, 2]: 3", "not valid YAML: found unhashable key", "key: value"),
        ("date: 2026-99-99", "not valid YAML: month must be in 1..12", "key: value"),
        (
            "seed: !!python/object/apply:os.system [id]",
            "could not determine a constr",
            "key: value",
        ),
        ("method: layercam", "method: unknown key", "write it as commands.gradcam.method"),
        ("commands: []", "commands: expected a mapping; it is []", "layercam"),
        ("commands: {gradcm: {}}", "commands.gradcm: there is no such command", "gradcam"),
        ("commands: {rules: {}}", "commands.rules: there is no such command", ""),
        ("commands: {1: {}}", "commands.1: there is no such command", ""),
        (
            "commands: {gradcam: 3}",
            "commands.gradcam: expected a mapping; it is 3",
            "config gradcam",
        ),
        ("commands: {gradcam: {metod: x}}", "commands.gradcam.metod: unknown key", "method"),
        (
            "commands: {gradcam: {batches: 3}}",
            "commands.gradcam.batches: unknown key",
            "`netdoctor config gradcam` lists every key",
        ),
        (
            "commands: {gradcam: {method: lime}}",
            "commands.gradcam.method: expected gradcam, gradcam++, hirescam",
            "the default is gradcam",
        ),
        (
            "commands: {gradflow: {amp: float32}}",
            "commands.gradflow.amp: expected float16, bfloat16; it is 'float32'",
            "",
        ),
        (
            "commands:\n  lrfind:\n    start-lr: slow",
            ".yaml:3: commands.lrfind.start-lr: expected a number, got a text; it is 'slow'",
            "the default is 1e-07",
        ),
        ("commands: {lrfind: {steps: 1}}", "steps: expected an integer >= 2; it is 1", "100"),
        ("commands: {gradcam: {alpha: 2}}", "alpha: expected a number <= 1.0; it is 2", "0.6"),
        ("commands: {gradcam: {sanity: 1}}", "sanity: expected true or false, got an integer", ""),
        ("commands: {gradcam: {layer: a}}", "layer: expected a list, got a text", ""),
        ("commands: {gradcam: {target: ''}}", "target: it is empty", "leave it out"),
        (
            "commands: {gradflow: {trust-checkpoint: true}}",
            "commands.gradflow.trust-checkpoint: a file cannot turn this on",
            "command line",
        ),
        (
            "commands: {gradflow: {rules: {GRD001: {treshold: 1}}}}",
            "commands.gradflow.rules.GRD001.treshold: rule GRD001",
            "threshold",
        ),
        (
            "commands: {gradflow: {select: [GRDD]}}",
            "commands.gradflow.select: there is no rule or family 'GRDD'",
            "GRD",
        ),
    ],
)
def test_a_wrong_file_is_told_with_its_name_the_key_and_a_way_out(
    write: Any, text: str, message: str, hint: str
) -> None:
    path = write(text)
    with pytest.raises(ConfigError) as caught:
        merge({}, path, commands=commands)
    assert str(path) in caught.value.message
    assert "\n" not in caught.value.message
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


def test_a_section_wins_over_the_rest_of_the_file_and_a_flag_over_both(write: Any) -> None:
    file = write(
        "batches: 5\nseed: 7\nworkers: 1\nrules: {ACT002: {threshold: 0.6, error_at: 0.7}}\n"
        "commands:\n  deadneurons: {batches: 3, seed: 8, per-position: true,"
        " rules: {dead-units: {error_at: 0.8}}}\n  gradflow: {batches: 4, lr: 1e-3}\n"
    )

    def merged(command: str) -> Any:
        return merge({"seed": 9}, file, command=command, commands=commands)

    dead = merged("deadneurons")
    assert (dead.config.batches, dead.config.seed, dead.config.workers) == (3, 9, 1)
    assert dead.config.rules == {"ACT002": {"threshold": 0.6, "error_at": 0.8}}
    assert dead.own == {"per-position": True}
    assert [dead.origins[key] for key in ("batches", "seed", "device")] == [
        "file", "flag", "default"
    ]  # fmt: skip
    assert merged("gradflow").own == {"lr": 0.001}
    assert merged("activations").config.batches == 5
    assert merged("activations").own == {}


def test_a_file_may_speak_of_what_a_command_does_not_take(write: Any) -> None:
    file = write("data: photos\nseed: 3\nbatches: 4\nformat: json\n")
    kernels = merge({"device": "cpu"}, file, command="kernels", commands=commands)
    assert to_repeat(kernels) == {"seed": 3, "device": "cpu"}
    dead = merge({}, file, command="deadneurons", commands=commands)
    assert to_repeat(dead) == {"data": "photos", "seed": 3, "batches": 4}


@pytest.mark.parametrize(
    ("command", "text", "value"),
    [
        ("gradcam", "target: 281", "281"),
        ("gradcam", "scores: 8", "8"),
        ("gradcam", "layer: [a, b]", ["a", "b"]),
        ("gradcam", "alpha: 1", 1.0),
        ("check-loader", "batches: all", "all"),
        ("check-loader", "batches: 20", "20"),
        ("check-loader", "num-classes: null", None),
        ("check-forward", "as: float16", "float16"),
        ("check-weights", "thorough: false", False),
        ("activations", "all: true", True),
    ],
)
def test_options_of_one_command_are_given_as_their_flags_are(
    write: Any, command: str, text: str, value: Any
) -> None:
    file = write(f"commands: {{{command}: {{{text}}}}}")
    (own,) = merge({}, file, command=command, commands=commands).own.values()
    assert plain(own) == value
    assert type(plain(own)) is type(value)


def test_every_shared_key_of_a_command_may_stand_in_its_section() -> None:
    for name, keys in commands().items():
        assert keys.shared <= set(KEYS), name
        assert not keys.shared & FLAG_ONLY or "checkpoint" in keys.shared
    assert "batches" not in commands()["gradcam"].all
    assert {"batches", "rules", "data"} <= commands()["deadneurons"].all.keys()
    assert "config" not in commands()


@pytest.mark.parametrize("text", ["1e-3", "1.0e-3", "1E-3", ".1e-2", "0.001"])
def test_numbers_are_those_of_yaml_1_2(write: Any, text: str) -> None:
    file = write(f"rules: {{GRD001: {{threshold: {text}}}}}")
    assert merge({}, file).config.rules == {"GRD001": {"threshold": 0.001}}
    assert parse_thresholds([f"GRD001.threshold={text}"]) == {"GRD001": {"threshold": 0.001}}


_ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates()
    | st.sampled_from(["gradcam", "ACT002", "threshold", "all", "1e400", "0.5,0.5"]),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(
        st.text() | st.integers() | st.sampled_from(["gradcam", "ACT002", "threshold", "data"]),
        inside, max_size=3,
    ),
    max_leaves=6,
)  # fmt: skip
_KEYS = st.sampled_from([*KEYS, "commands", "model", "batch_size"])
_COMMAND = st.sampled_from([*commands(), "config", "gradcm"])
_OWN = st.sampled_from(sorted({key for each in commands().values() for key in each.all}))
_FILE = st.dictionaries(_KEYS, _ANY, max_size=2) | st.fixed_dictionaries(
    {"commands": st.dictionaries(_COMMAND, st.dictionaries(_OWN, _ANY, max_size=2), max_size=2)}
)


@given(_FILE, st.sampled_from([None, Path("/some/where")]))
@settings(max_examples=400)
def test_whatever_a_file_says_it_is_taken_or_one_message(content: Any, folder: Path | None) -> None:
    file = SettingsFile("some.yaml", content, {}, folder)
    for command in ("gradcam", "check-loader"):
        message = "some.yaml: "
        try:
            merged = merge({}, file, command=command, commands=commands)
            assert set(merged.origins.values()) <= {"default", "file"}
            from_file(_function(command), merged.own)
        except ConfigError as error:
            message = error.message
        assert message.startswith("some.yaml: ")
        assert message.isprintable()
        assert len(message) < 600


@given(_FILE)
@settings(max_examples=100)
def test_whatever_a_yaml_file_says_it_is_taken_or_one_message(content: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "netdoctor.yaml")
        path.write_text(yaml.safe_dump(content), encoding="utf-8")
        with contextlib.suppress(ConfigError):
            merge({}, read_found(path), commands=commands)


def _function(command: str) -> Any:
    return make_app("").settable[command][0]
