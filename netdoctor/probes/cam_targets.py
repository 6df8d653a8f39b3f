"""What of a model's output is explained: a class, one side of a logit, a class over its mask."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from netdoctor.errors import ModelError, UsageError
from netdoctor.facts.gradcam import Guess, HeadKind, Target, TargetKind
from netdoctor.inputs.outputs import main_output

Scale = Literal["logits", "probabilities"]
_TOP = 5
_SIDES = ("negative", "positive")
_NOT_A_SCORE = (
    "A heat map needs a number for each class: an output (N, classes), (N, 1), or the map of a "
    "segmentation (N, classes, H, W). Wrap the model in a module whose forward returns the one to "
    "explain, such as the score of a box."
)


@dataclasses.dataclass(frozen=True, slots=True)
class Head:
    """What the output is.

    Attributes:
        kind: `classes` (N, K), `one logit` (N, 1), or `segmentation` (N, K, H, W).
        part: what the output calls the tensor: `output`, `logits`, `[0]`.
        classes: K; 2 for the sides of a single logit.
        scale: whether its numbers are `logits` or `probabilities` already.
    """

    kind: HeadKind
    part: str
    classes: int
    scale: Scale

    def logits(self, output: Any) -> Tensor:
        """The tensor of an output, of the shape that the kind says; one logit is (N, 1)."""
        tensor, _ = main_output(output)
        if self.kind == "segmentation":
            return tensor
        return tensor.reshape(len(tensor), -1)


@dataclasses.dataclass(frozen=True, slots=True)
class Wish:
    """The target that the user asked for; `index` is None for the predicted one."""

    kind: TargetKind = "predicted"
    index: int | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Aim:
    """What is explained for one image.

    Attributes:
        head: of the model.
        index: the class, or 0 and 1 for the sides of a single logit.
        mask: (H, W) float, over which a segmentation's numbers are averaged.
    """

    head: Head
    index: int
    mask: Tensor | None = None

    def value(self, logits: Tensor) -> Tensor:
        """(M,) the number that is explained, of each of M outputs."""
        return self._of(_sided(logits, self.head))

    def score(self, logits: Tensor) -> Tensor:
        """(M,) in [0, 1] for a classifier; for a segmentation the mean logit over the mask."""
        return self.value(logits) if self.mask is not None else self.probability(logits)

    def probability(self, logits: Tensor) -> Tensor:
        """(M,) the class's probability, over the mask if there is one."""
        return self._of(_probabilities(logits, self.head))

    def _of(self, numbers: Tensor) -> Tensor:
        numbers = numbers[:, self.index]
        if self.mask is None:
            return numbers
        return (numbers * self.mask).sum((-2, -1)) / self.mask.sum()


def head_of(output: Any, size: int, last_activation: str) -> Head:
    """What the output is of a batch of so many samples.

    Raises:
        ModelError: there are no class scores in it.
    """
    try:
        tensor, part = main_output(output)
    except ModelError as error:
        raise ModelError(
            f"There is no class score to explain. {error.message}", hint=_NOT_A_SCORE
        ) from error
    named = f"{part} {tuple(tensor.shape)}"
    if tensor.ndim == 0 or tensor.shape[0] != size or not tensor.is_floating_point():
        raise ModelError(
            f"There is no class score to explain: {named} does not have one row an image, of "
            f"{size}.",
            hint=_NOT_A_SCORE,
        )
    count = tensor[0].numel()
    if tensor.ndim == 4 and tensor.shape[-2:].numel() > 1:
        kind: HeadKind = "segmentation"
        classes = int(tensor.shape[1])
    elif count == max(tensor.shape[1:], default=1):
        kind, classes = ("classes", count) if count > 1 else ("one logit", 1)
    else:
        raise ModelError(
            f"There is no class score to explain: the output is a sequence or volume, {named}.",
            hint=_NOT_A_SCORE,
        )
    scale = _scale(tensor.detach(), classes, last_activation)
    return Head(kind, part, max(classes, 2), scale)


def wish_of(text: str, head: Head, names: Sequence[str]) -> Wish:
    """What `--target` asks for.

    Args:
        text: `predicted`, an index, a name, `positive` or `negative`.
        head: of the model.
        names: of the classes by index; empty when unknown.

    Raises:
        UsageError: there is no such class.
    """
    from netdoctor.inputs.class_names import index_of

    if text == "predicted":
        return Wish()
    try:
        index = int(text)
    except ValueError:
        pass
    else:
        if not 0 <= index < head.classes:
            raise UsageError(
                f"--target {index}: the model has {head.classes} classes",
                hint=f"Give an index from 0 to {head.classes - 1}, a class name, or predicted.",
            )
        return Wish("chosen", index)
    single = head.kind == "one logit" or (head.kind == "segmentation" and not names)
    if text in _SIDES and text not in names:
        if head.classes == 2 and single:
            return Wish("positive" if text == "positive" else "negative", _SIDES.index(text))
        raise UsageError(
            f"--target {text}: the model has {head.classes} classes, not one logit",
            hint="Give an index, a class name, or predicted.",
        )
    if not names:
        raise UsageError(
            f"--target {text}: the names of the {head.classes} classes are not known",
            hint=f"Give them with --class-names FILE, or an index from 0 to {head.classes - 1}"
            f"{', or positive or negative' if head.kind == 'one logit' else ''}.",
        )
    return Wish("chosen", index_of(text, names))


def name_of(index: int, head: Head, names: Sequence[str]) -> str:
    """The name of a class, or its number where it has none."""
    if names:
        return names[index]
    return _SIDES[index] if head.kind == "one logit" else f"class {index}"


def aimed(
    row: Tensor, head: Head, wish: Wish, names: Sequence[str]
) -> tuple[Aim, Target, tuple[Guess, ...]]:
    """What to explain for one image, and its likeliest classes.

    Args:
        row: (1, K) or (1, K, H, W), the output for that image.
        head: of the model.
        wish: what the user asked for.
        names: of the classes.
    """
    row = row.detach()
    probabilities = _probabilities(row, head)[0]
    if head.kind == "segmentation":
        aims = _segments(row, head)
    else:
        order = probabilities.nan_to_num(-1.0).argsort(descending=True, stable=True)
        aims = [Aim(head, int(index)) for index in order[:_TOP]]
    top = tuple(
        Guess(aim.index, name_of(aim.index, head, names), _number(aim.probability(row)))
        for aim in aims
    )
    first = aims[0]
    kind: TargetKind = wish.kind
    if wish.index is None:
        aim = first
        if head.kind == "one logit":
            kind = "positive" if first.index else "negative"
    elif head.kind == "segmentation":
        aim = next((each for each in aims if each.index == wish.index), None) or _whole(
            row, head, wish.index
        )
    else:
        aim = Aim(head, wish.index)
    target = Target(
        index=aim.index,
        name=name_of(aim.index, head, names),
        kind=kind,
        score=_number(aim.probability(row)),
        value=_number(aim.value(row)),
        pixels=0 if aim.mask is None else int(aim.mask.sum()),
    )
    return aim, target, top


def _segments(row: Tensor, head: Head) -> list[Aim]:
    """The classes that a segmentation predicts anywhere, the one with the most pixels first.

    Class 0 is the background and comes last.
    """
    chosen = _sided(row, head)[0].argmax(0)
    sizes = torch.bincount(chosen.flatten(), minlength=head.classes)
    order = sorted(range(head.classes), key=lambda each: (each == 0, -int(sizes[each])))
    found = [each for each in order if sizes[each]]
    return [Aim(head, each, (chosen == each).to(row.dtype)) for each in found]


def _whole(row: Tensor, head: Head, index: int) -> Aim:
    """A class that is predicted nowhere: its mean over the whole image."""
    return Aim(head, index, torch.ones_like(row[0, 0]))


def _sided(logits: Tensor, head: Head) -> Tensor:
    """A single logit as its negative and positive side; others as they are."""
    if logits.shape[1] > 1:
        return logits
    other = -logits if head.scale == "logits" else 1 - logits
    return torch.cat([other, logits], 1)


def _probabilities(logits: Tensor, head: Head) -> Tensor:
    numbers = _sided(logits.float(), head)
    if head.scale == "probabilities":
        return numbers
    return numbers.sigmoid() if logits.shape[1] == 1 else numbers.softmax(1)


def _scale(tensor: Tensor, classes: int, last_activation: str) -> Scale:
    """Probabilities where the last function is a sigmoid, or where each row sums to 1."""
    if last_activation == "sigmoid":
        return "probabilities"
    if classes > 1:
        numbers = tensor.float()
        sums = numbers.sum(1)
        if bool((numbers >= 0).all()) and bool(((sums - 1).abs() < 1e-3).all()):
            return "probabilities"
    return "logits"


def _number(value: Tensor) -> float:
    number = float(value.detach().reshape(-1)[0])
    return number if math.isfinite(number) else math.nan
