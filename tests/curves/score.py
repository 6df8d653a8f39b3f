"""Counts what is found, rightly named and falsely alarmed on the labelled training logs.

`python -m tests.curves.score --held-out`, `--held-out-2` and `--held-out-3` print totals by
condition. Tune on the others: `--tuning` and `--tuning-3` also list each log that was missed.
`--peers BIN` adds runmedic and trainspotter from that folder of programs.
"""

from __future__ import annotations

import argparse
import collections
import dataclasses
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import yaml

import netdoctor
from netdoctor.errors import NetDoctorError
from netdoctor.inputs.training_logs import read
from netdoctor.report import Severity
from tests.curves import peers, tutorial

HERE = Path(__file__).parent
INFO = {"CRV011", "CRV012"}
Named = list[tuple[str, bool]]


@dataclasses.dataclass(frozen=True, slots=True)
class Label:
    """What is known of one log; see labels.yaml."""

    file: str
    condition: str
    cause: str
    healthy: bool
    must: tuple[str, ...]
    may: tuple[str, ...]
    half: str

    @property
    def path(self) -> Path:
        """The log; a Lightning or TensorBoard folder is named by its file."""
        return HERE / self.file


@dataclasses.dataclass(frozen=True, slots=True)
class Verdict:
    """What somebody said of one log, and how right that was.

    Attributes:
        label: of the log.
        said: codes, each with whether it is a warning or an error; None where it was not read.
    """

    label: Label
    said: Named | None

    @property
    def loud(self) -> set[str]:
        """Codes of warnings and errors."""
        return {code for code, loud in self.said or () if loud}

    @property
    def found(self) -> bool:
        """A sick log alarmed; one with an expected information told it."""
        return self.named if self.label.healthy else bool(self.loud)

    @property
    def named(self) -> bool:
        """An expected code is among the findings."""
        return bool({code for code, _ in self.said or ()} & set(self.label.must))

    @property
    def false_alarm(self) -> bool:
        """A warning or error of a healthy log that it may not have."""
        return self.label.healthy and bool(self.loud - set(self.label.may))

    @property
    def extra(self) -> set[str]:
        """Warnings and errors that are neither expected nor allowed."""
        return self.loud - set(self.label.must) - set(self.label.may)


def labels(half: str | None = None) -> list[Label]:
    """The labels of a half, or of all logs."""
    known = yaml.safe_load((HERE / "labels.yaml").read_text(encoding="utf-8"))
    made = [Label(**{**one, "must": tuple(one["must"]), "may": tuple(one["may"])}) for one in known]
    return [label for label in made if half in (None, label.half)]


def ours(path: Path) -> Named | None:
    """What `netdoctor.diagnose_curves` says."""
    try:
        report = netdoctor.diagnose_curves(path)
    except NetDoctorError:
        return None
    return [(each.code, each.severity is not Severity.INFO) for each in report.findings]


def tutorials(path: Path) -> Named | None:
    """What the rules of tutorials say, on the curves as our reader gives them."""
    try:
        log = read(path)
    except NetDoctorError:
        return None
    return [(code, True) for run in log.runs for code in sorted(tutorial.diagnose(run))]


def _peer(path: Path, ask: Callable[[Path, Path], Named | None], program: Path) -> Named | None:
    """What it says of the log, or of its losses as a plain CSV where it cannot read the log."""
    said = None if path.suffix == ".gz" else ask(program, path)
    if said is not None:
        return said
    run = read(path).runs[0]
    with tempfile.TemporaryDirectory() as scratch:
        return ask(program, peers.plain(run, Path(scratch)))


def verdicts(half: str | None, judge: Callable[[Path], Named | None]) -> list[Verdict]:
    """What that judge says of each log of a half."""
    return [Verdict(label, judge(label.path)) for label in labels(half)]


def _share(count: int, of: int) -> str:
    return f"{count}/{of}" + (f" ({count / of:.0%})" if of else "")


def totals(who: str, judged: Sequence[Verdict]) -> str:
    """One line of figures."""
    sick = [one for one in judged if not one.label.healthy]
    told = [one for one in judged if one.label.healthy and one.label.must]
    healthy = [one for one in judged if one.label.healthy]
    return (
        f"{who:<13} found {_share(sum(v.found for v in sick), len(sick)):<15}"
        f" named {_share(sum(v.named for v in sick), len(sick)):<15}"
        f" false alarms {_share(sum(v.false_alarm for v in healthy), len(healthy)):<13}"
        f" told {_share(sum(v.named for v in told), len(told)):<13}"
        f" extra names {sum(bool(v.extra) for v in sick)}"
        f" unread {sum(v.said is None for v in judged)}"
    )


def by_condition(judged: Sequence[Verdict]) -> list[str]:
    """One line a condition."""
    groups: dict[str, list[Verdict]] = collections.defaultdict(list)
    for one in judged:
        groups[one.label.condition].append(one)
    lines = []
    for condition, group in groups.items():
        if group[0].label.healthy:
            told = [one for one in group if one.label.must]
            text = f"false alarms {sum(v.false_alarm for v in group)}/{len(group)}"
            text += f", told {sum(v.named for v in told)}/{len(told)}" if told else ""
        else:
            found, named = sum(v.found for v in group), sum(v.named for v in group)
            text = f"found {found}/{len(group)}, named {named}/{len(group)}"
        lines.append(f"  {condition:<26} {text}")
    return lines


def details(judged: Sequence[Verdict]) -> list[str]:
    """One line a log that was missed, misnamed or falsely alarmed."""
    wrong = [
        one for one in judged
        if one.false_alarm or one.extra or (one.label.must and not one.named)
    ]  # fmt: skip
    return [
        f"  {one.label.file:<48} must {','.join(one.label.must) or '-':<14} "
        f"said {' '.join(code + '!' * loud for code, loud in one.said or ()) or one.said}"
        for one in wrong
    ]


def main() -> None:
    """Prints the figures of a half."""
    parser = argparse.ArgumentParser(description=__doc__)
    half = parser.add_mutually_exclusive_group(required=True)
    half.add_argument("--tuning", action="store_const", const="tuning", dest="half")
    half.add_argument("--held-out", action="store_const", const="held-out", dest="half")
    half.add_argument("--held-out-2", action="store_const", const="held-out-2", dest="half")
    half.add_argument("--held-out-3", action="store_const", const="held-out-3", dest="half")
    half.add_argument("--tuning-3", action="store_const", const="tuning-3", dest="half")
    parser.add_argument("--details", action="store_true")
    parser.add_argument("--peers", type=Path, metavar="BIN")
    asked = parser.parse_args()
    judged = verdicts(asked.half, ours)
    print(totals("netdoctor", judged))
    print(totals("tutorial", verdicts(asked.half, tutorials)))
    for name in ("runmedic", "trainspotter") if asked.peers else ():
        ask, program = getattr(peers, name), asked.peers / name
        judge = lambda path, ask=ask, program=program: _peer(path, ask, program)  # noqa: E731
        print(totals(name, verdicts(asked.half, judge)))
    print("\n".join(by_condition(judged)))
    if asked.details or asked.half in ("tuning", "tuning-3"):
        print("\n".join(details(judged)))


if __name__ == "__main__":
    main()
