"""Columns as trainers name them: split, kind and direction."""

from __future__ import annotations

import pytest

from netdoctor.inputs.training_logs.names import meaning

SPLITS = {
    "train": ("train", "training", "Train", "TRAIN", "tr", "trn"),
    "validation": ("val", "valid", "validation", "Val", "VAL", "va", "vl", "cv", "eval", "dev",
                   "holdout", "heldout", "held_out", "hold_out"),
    "test": ("test", "Test", "tst", "te"),
}  # fmt: skip
LAYOUTS = (
    "{s}_{m}", "{s}/{m}", "{s}.{m}", "{s}-{m}", "{s} {m}", "{m}/{s}", "{m}_{s}", "{m}.{s}",
    "{m} ({s})", "{m}[{s}]", "{s}:{m}",
)  # fmt: skip
HIGHER = (
    "acc", "accuracy", "Acc", "top1", "top5", "acc@1", "acc1", "prec@1", "mIoU", "IoU", "mean_iou",
    "mAP", "mAP50", "dice", "dice_score", "dice_coef", "auc", "AUROC", "roc_auc", "pr_auc",
    "average_precision", "f1", "macro_f1", "f1-score", "kappa", "mcc", "r2", "r2_score", "bleu",
    "rougeL", "rouge1", "psnr", "SSIM", "balanced_accuracy", "sparse_categorical_accuracy",
    "pearsonr", "spearmanr", "c_index", "ndcg@10", "recall@5", "mrr", "exact_match", "si_sdr",
    "pesq", "explained_variance", "specificity", "jaccard",
)  # fmt: skip
LOWER = (
    "perplexity", "ppl", "bpc", "bits_per_byte", "bits_per_dim", "wer", "cer", "ter", "rmse", "mae",
    "mse", "mape", "smape", "mean_absolute_error", "root_mean_squared_error", "fid", "lpips",
    "error", "err", "error_rate", "top1_err", "hd95", "abs_rel", "mpjpe", "ade", "crps", "brier",
    "eer",
)  # fmt: skip
LOSSES = (
    "loss", "Loss", "nll", "nll_loss", "cross_entropy", "ce_loss", "dice_loss", "l1_loss",
    "kl_loss", "recon_loss", "log_loss", "negative_log_likelihood", "total_loss",
)  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("split", SPLITS)
def test_a_split_and_a_measure_are_told_apart(split: str, layout: str) -> None:
    for word in SPLITS[split]:
        for measures, kind, better in (
            (HIGHER, "metric", 1), (LOWER, "metric", -1), (LOSSES, "loss", -1)
        ):  # fmt: skip
            for measure in measures:
                name = layout.format(s=word, m=measure)
                said = meaning(name)
                assert (said.split, said.kind, said.better) == (split, kind, better), name


@pytest.mark.parametrize(
    ("name", "split", "measure"),
    [
        ("trainLoss", "train", "loss"),
        ("valAcc", "validation", "accuracy"),
        ("valIoU", "validation", "iou"),
        ("validMeanSquaredError", "validation", "squared_error"),
        ("lossTrain", "train", "loss"),
        ("trainloss", "train", "loss"),
        ("valaccuracy", "validation", "accuracy"),
        ("evalrmse", "validation", "rmse"),
        ("va_loss", "validation", "loss"),
        ("tr_loss", "train", "loss"),
        ("held-out loss", "validation", "loss"),
    ],
)
def test_humps_and_words_without_a_gap(name: str, split: str, measure: str) -> None:
    said = meaning(name)
    assert (said.split, said.measure) == (split, measure)


@pytest.mark.parametrize(
    "name",
    ["epoch", "Epoch", "EPOCH", "epochs", "ep", "trainer/epoch", "epoch_num", "global_epoch"],
)
def test_epochs_are_known(name: str) -> None:
    assert meaning(name).kind == "epoch"


@pytest.mark.parametrize(
    "name",
    ["step", "Step", "_step", "global_step", "iter", "iteration", "n_iter", "num_updates", "itr",
     "train/global_step", "iter_num", "current_iter", "global_iter", "batch"],
)  # fmt: skip
def test_steps_are_known(name: str) -> None:
    assert meaning(name).kind == "step"


@pytest.mark.parametrize(
    "name", ["value", "valuation", "device", "total_steps", "num_epochs", "test_time", "loss_scale",
             "evaluator_seconds", "best_val_loss", "time_per_step"],
)  # fmt: skip
def test_what_only_sounds_alike_is_no_curve(name: str) -> None:
    assert meaning(name).kind == "other"
