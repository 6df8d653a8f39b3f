"""What the name of a column says: which split, what is measured, which way is better."""

from __future__ import annotations

import dataclasses
import re
from functools import lru_cache
from typing import Literal

Split = Literal["train", "validation", "test", ""]
Kind = Literal["loss", "metric", "learning rate", "gradient norm", "epoch", "step", "other"]

# Scores of detectors are measured on held-out data, and their names do not say so.
_HELD_OUT = re.compile(r"(metrics|bbox|segm|keypoints|coco|pascal_voc|panoptic_seg|sem_seg)/")
_LIGHTGBM = re.compile(r"valid_\d+\W")  # its name for the n-th validation set
_TRAIN = frozenset({"train", "training", "tr", "trn", "trainer"})
_VALIDATION = frozenset({
    "val", "valid", "validation", "vali", "vld", "va", "vl", "cv", "eval", "evaluation", "dev",
    "holdout", "heldout", "validating", "evaluating",
})  # fmt: skip
_TEST = frozenset({"test", "testing", "tst", "te"})
_GLUED = re.compile(r"(training|train|validation|valid|val|test|eval|dev)(.+)")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z][a-z]|[A-Z]+$)")
_ONE_WORD = re.compile(r"m?IoU|mAP|rougeL(sum)?|[Hh](old|eld)[_\- ]?[Oo]ut(?![a-z])")
_NOISE = frozenset({"metrics", "metric", "s", "average", "avg", "mean", "running", "set", "subset"})
_NOT_A_CURVE = frozenset({
    "best", "min", "max", "scale", "scaler", "weight", "weights", "std", "stddev", "var", "coef",
    "coeff", "coefficient", "count", "num", "time", "second", "seconds", "sec", "runtime", "speed",
    "samples", "timestamp", "eta", "throughput", "memory", "best_so_far", "patience", "minutes",
    "target", "threshold", "tokens", "flos", "mfu", "gpu", "duration",
})  # fmt: skip
_BOUNDED = frozenset({
    "acc", "accuracy", "top", "f1", "fscore", "auc", "auroc", "auprc", "ap", "map", "ar", "iou",
    "miou", "dice", "precision", "prec", "recall", "rec", "sensitivity", "specificity", "jaccard",
    "ndcg", "mrr", "hit", "hits", "em", "kappa", "hmean", "pq", "mota", "hota", "fbeta", "gmean",
    "cindex", "nds", "prauc", "rocauc",
})  # fmt: skip
_HIGHER = _BOUNDED | {
    "r2", "mcc", "bleu", "rouge", "chrf", "meteor", "cider", "psnr", "ssim", "score", "pearson",
    "spearman", "corr", "correlation", "reward", "return", "exact", "match", "fitness", "sacrebleu",
    "rougel", "rougelsum", "pearsonr", "spearmanr", "plcc", "srcc", "kendall", "concordance", "ccc",
    "pesq", "stoi", "sdr", "sisdr", "snr", "explained", "matthews", "correct", "success", "msssim",
}  # fmt: skip
_LOWER = frozenset({
    "err", "error", "rmse", "mse", "mae", "mape", "smape", "rmsle", "msle", "wer", "cer", "ppl",
    "perplexity", "fid", "kid", "brier", "eer", "ece", "lpips", "bpc", "bpb", "bpd", "epe",
    "hausdorff", "deviance", "l1", "l2", "chamfer", "huber", "ter", "nmse", "nrmse", "rse",
    "mrae", "crps", "hd", "assd", "absrel", "mpjpe", "ade", "fde", "mcd", "nmae",
})  # fmt: skip
_LOSS = frozenset({
    "loss", "losses", "cost", "objective", "nll", "gnll", "nelbo", "xent", "ce", "bce",
    "crossentropy", "kld",
})  # fmt: skip
_AS_LOSS = (
    "logloss", "error", "err", "mse", "rmse", "mae", "ppl", "perplexity", "l1", "l2", "msle",
    "rmsle", "deviance", "huber", "bpc", "bpb", "bpd", "nmse", "crps",
)  # fmt: skip
_SAME = {
    "acc": "accuracy",
    "prec": "precision",
    "rec": "recall",
    "err": "error",
    "perplexity": "ppl",
    "losses": "loss",
    "accs": "accuracy",
    "accuracies": "accuracy",
    "errors": "error",
}
# Names of several words, and the one that says the same.
_SAYINGS = (
    ({"bits", "per", "dim"}, "bpd"), ({"bits", "per", "byte"}, "bpb"),
    ({"bits", "per", "char"}, "bpc"), ({"bits", "per", "character"}, "bpc"),
    ({"c", "index"}, "cindex"), ({"abs", "rel"}, "absrel"), ({"si", "sdr"}, "sisdr"),
    ({"dice", "coef"}, "dice"), ({"dice", "coeff"}, "dice"), ({"dice", "coefficient"}, "dice"),
    ({"correlation", "coefficient"}, "correlation"),
    ({"negative", "log", "likelihood"}, "nll"), ({"neg", "log", "likelihood"}, "nll"),
)  # fmt: skip
_EPOCH = frozenset({"epoch", "epochs", "ep", "current epoch", "trainer epoch", "epoch num",
                    "epoch number", "epoch idx", "epoch index", "epoch id", "train epoch",
                    "n epoch", "nepoch", "global epoch"})  # fmt: skip
_STEP = (
    "step", "global step", "trainer global step", "train global step", "iteration", "iterations",
    "iter", "iters", "it", "num updates", "updates", "update", "steps", "train step", "n iter",
    "num steps", "optimizer step", "training step", "itr", "round", "train iteration", "batch",
    "global iter", "global iteration", "current iter", "curr iter", "cur iter", "iter num",
    "iter idx", "iteration number", "step num", "step idx", "current step", "train iter",
    "train iters", "training iteration", "batches", "minibatch",
)  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True)
class Meaning:
    """What a name says.

    Attributes:
        split: of the data; empty where the name has none.
        kind: what sort of number.
        measure: what is measured, without the split: `loss`, `accuracy`, `box_loss`.
        better: +1 higher, -1 lower, 0 unknown.
        bounded: whether it is a share that lies in [0, 1], or in percent.
        fork: `step` or `epoch`, where Lightning logs one value both ways.
        as_loss: whether it can stand in for a loss that the log lacks; the lower the better.
        rank: among step columns, which is the truest; 0 is.
    """

    split: Split
    kind: Kind
    measure: str
    better: int = 0
    bounded: bool = False
    fork: str = ""
    as_loss: int = 0
    rank: int = 0


@lru_cache(maxsize=4096)
def meaning(name: str) -> Meaning:
    """What the name of a column says."""
    words = _words(name)
    joined = " ".join(words)
    if joined in _EPOCH:
        return Meaning("", "epoch", "epoch")
    if joined in _STEP:
        return Meaning("", "step", "step", rank=_STEP.index(joined))
    split, rest = _split(words)
    if _LIGHTGBM.match(name) and len(rest) > 1:
        rest = [word for word in rest if not word.isdigit()] or rest
    if not split and _HELD_OUT.match(name):
        split = "validation"
    fork = ""
    if len(rest) > 1 and rest[-1] in ("step", "epoch"):
        fork, rest = rest[-1], rest[:-1]
    elif len(rest) > 1 and rest[0] == "epoch":
        fork, rest = "epoch", rest[1:]
    rest = _said(rest)
    rest = [_SAME.get(word, word) for word in rest if word not in _NOISE] or rest
    return _measured(split, rest, fork)


def _measured(split: Split, words: list[str], fork: str) -> Meaning:
    measure = "_".join(words)
    stems = [_stem(word) for word in words]
    if words[:1] == ["lr"] or stems[:1] == ["lr"] or stems[-1:] == ["lr"] or (
        "learning" in words and "rate" in words
    ):  # fmt: skip
        return Meaning(split, "learning rate", measure)
    if "gnorm" in words or ("norm" in words and {"grad", "gradient", "gradients"} & set(words)):
        return Meaning(split, "gradient norm", measure)
    if _NOT_A_CURVE & set(words) or not words:
        return Meaning(split, "other", measure)
    if any(stem in _LOSS or stem.endswith("loss") for stem in stems) or {"cross", "entropy"} <= set(
        words
    ):
        if set(words) <= {"total", "loss", "train", "objective", "lm"} and "loss" in words:
            measure = "loss"
        return Meaning(split, "loss", measure, -1, fork=fork, as_loss=1)
    for stem in reversed(stems):
        if stem in _LOWER:
            standing = 2 + _AS_LOSS.index(stem) if stem in _AS_LOSS else 0
            return Meaning(split, "metric", measure, -1, fork=fork, as_loss=standing)
    for stem in reversed(stems):
        if stem in _HIGHER or stem.endswith(("acc", "accuracy")):
            bounded = stem in _BOUNDED or stem.endswith(("acc", "accuracy"))
            return Meaning(split, "metric", measure, 1, bounded=bounded, fork=fork)
    return Meaning(split, "other", measure, fork=fork)


def _said(words: list[str]) -> list[str]:
    """With one word for a saying of several."""
    for saying, word in _SAYINGS:
        if saying <= set(words):
            first = min(words.index(each) for each in saying)
            rest = [each for each in words[first:] if each not in saying]
            return [*words[:first], word, *rest]
    return words


def _words(name: str) -> list[str]:
    name = _ONE_WORD.sub(_as_one, name)
    parts = [part.lower() for part in re.split(r"[^A-Za-z0-9]+", _CAMEL.sub(" ", name)) if part]
    splits = _TRAIN | _VALIDATION | _TEST
    camel = bool(parts) and bool({parts[0], parts[-1]} & splits)
    words = parts if camel else [word.lower() for word in re.split(r"[^A-Za-z0-9]+", name) if word]
    parted: list[str] = []
    for word in words:
        glued = None if word in splits else _GLUED.fullmatch(word)
        parted += glued.groups() if glued and _known(glued[2]) else [word]
    return parted


def _as_one(match: re.Match[str]) -> str:
    """The same without a gap or a bend that would part it."""
    return re.sub(r"[^a-z]", "", match[0].lower()).capitalize()


def _known(word: str) -> bool:
    """Whether it is a measure by itself."""
    stem = _stem(word)
    return stem in _HIGHER or stem in _LOWER or stem in _LOSS or stem.endswith(("loss", "accuracy"))


def _split(words: list[str]) -> tuple[Split, list[str]]:
    kinds: tuple[tuple[Split, frozenset[str]], ...] = (
        ("validation", _VALIDATION), ("test", _TEST), ("train", _TRAIN)
    )  # fmt: skip
    for split, names in kinds:
        if names & set(words):
            rest = [word for word in words if word not in names]
            return split, rest
    return "", list(words)


def _stem(word: str) -> str:
    """A word without the number behind it: map50, acc1; r2, f1, l1 and l2 are words."""
    if word in _HIGHER or word in _LOWER:
        return word
    return _SAME.get(word.rstrip("0123456789"), word.rstrip("0123456789")) or word


def split_of(word: str) -> Split:
    """The split that a word names: `val`, `Validation`, `train`; empty for others."""
    words = [each for each in _words(word) if not each.isdigit()]
    return _split(words)[0] if len(words) == 1 else ""
