"""`netdoctor.graph`: the network as it ran, with the health of each call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from netdoctor.api.common import Progress, Thresholds, data_notes, freshness, loaded_from, noted
from netdoctor.facts.graph import GraphFacts, table
from netdoctor.facts.site import Site
from netdoctor.inputs.batches import Batch
from netdoctor.inputs.data import Data, data_from
from netdoctor.inputs.model import LoadedModel
from netdoctor.probes import activations, forward, weights, wiring
from netdoctor.probes.graph import measure
from netdoctor.report import NotExamined, Report
from netdoctor.rules.core import judge
from netdoctor.rules.selection import select_rules


def graph(
    model: nn.Module | LoadedModel,
    data: Any = None,
    *,
    batches: int = 10,
    batch_size: int = 32,
    device: str | None = None,
    seed: int = 0,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    thresholds: Thresholds | None = None,
    progress: Progress | None = None,
) -> Report:
    """Every call of a forward pass with the calls that its inputs come from, and what ails them.

    One pass of two samples shows the graph; all batches are judged as by `activations`, and the
    weights as by `kernels`.

    Args:
        model: the network; it is left bit for bit as it was found.
        data: a DataLoader, Dataset or iterable of batches; None for random input.
        batches: how many batches to judge.
        batch_size: for what does not come in batches.
        device: where to run, `cpu`, `cuda:1`; None for where the model is.
        seed: of random input and of the data's order.
        select: only these rules, by code, slug or family.
        ignore: none of these rules.
        thresholds: changed thresholds, by rule code and name.
        progress: told (batches done, batches in all).

    Returns:
        A report with the findings of NUM, ACT and WGT, the table `nodes`, and `GraphFacts` that
        `netdoctor.plots.graph_svg.svg` draws.

    Raises:
        NetDoctorError: the model or data cannot be used.
    """
    rules = select_rules("graph", select, ignore)
    loaded = loaded_from(model, device)
    source = data_from(data, loaded, batches=batches, batch_size=batch_size, seed=seed)
    facts, judged, samples = _measured(loaded, source, batches, seed, progress)
    judgement = judge(judged, rules, thresholds)
    return Report(
        command="graph",
        subject=loaded.name,
        device=str(loaded.device),
        facts=facts,
        findings=judgement.findings,
        ran=judgement.ran,
        skipped=judgement.skipped,
        not_examined=_not_examined(facts, judged),
        tables=[table(facts, shown=0)],
        notes=(*loaded.notes, *data_notes(source), _size(facts)),
        settings={
            "seed": seed, "batches": batches, "samples": samples, "data": source.description,
            "synthetic": source.synthetic,
        },
    )  # fmt: skip


def _measured(
    loaded: LoadedModel, source: Data, batches: int, seed: int, progress: Progress | None
) -> tuple[GraphFacts, list[Any], int]:
    """The graph, the facts to judge, and how many samples they are about."""
    first: list[Batch] = []
    fresh = freshness(loaded)
    known: dict[str, Any] = {"fresh": fresh, "synthetic": source.synthetic}
    values = activations.measure(
        loaded.module, noted(source, first), wanted=_every, seed=seed, **known,
        progress=None if progress is None else lambda done: progress(done, batches),
    )  # fmt: skip
    facts = measure(loaded.module, first[0], name=loaded.name)
    signals = forward.measure(loaded.module, first[:1], **known)
    sensitivity = wiring.measure(loaded.module, first, checks=["sensitivity"], **known)
    tensors = weights.measure(loaded.module, source=loaded.name, fresh=fresh)
    return facts, [values, signals, sensitivity, tensors], values.samples


def _every(site: Site) -> bool:
    return True


def _not_examined(facts: GraphFacts, judged: Sequence[Any]) -> list[NotExamined]:
    """What each of the probes could not see, each subject once."""
    found: dict[str, NotExamined] = {}
    for each in (*facts.not_examined, *(one for part in judged for one in _left_by(part))):
        found.setdefault(each.subject, each)
    return list(found.values())


def _left_by(facts: Any) -> Sequence[NotExamined]:
    left: Sequence[NotExamined] = getattr(facts, "not_examined", ())
    return left


def _size(facts: GraphFacts) -> str:
    calls = sum(node.kind in ("module", "function") for node in facts.nodes)
    return f"graph: {calls} calls in {len(facts.scopes)} modules, {len(facts.edges)} connections"
