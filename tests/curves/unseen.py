"""The healthy runs of the third set on pictures and text, and in which half each run is."""

from __future__ import annotations

import dataclasses
import hashlib
from functools import partial

import torch
from torch import nn

from tests.curves import unseen_layouts as lay
from tests.curves import unseen_pictures as pictures
from tests.curves import unseen_plain as plain
from tests.curves import unseen_rates as rates
from tests.curves import unseen_sick, unseen_sick_sudden, unseen_steady
from tests.curves import unseen_text as text
from tests.curves.unseen_loop import Fit, Trial, pretrained
from tests.curves.unseen_steady import well


def _pictures() -> list[Trial]:
    short = {"train_loss": "tr_loss", "val_loss": "va_loss", "train_accuracy": "tr_acc",
             "val_accuracy": "va_acc"}  # fmt: skip
    keras = {"train_loss": "loss", "train_accuracy": "accuracy", "val_loss": "val_loss",
             "val_accuracy": "val_accuracy"}  # fmt: skip
    return [
        well("temple", "two photographs, a fading rate",
             Fit(pictures.photographs, rates.adamw(3e-3), 22, schedule=rates.fading(0.05)),
             partial(lay.epochs_csv, names=short, first=0)),
        well("placed_drops", "the rate drops twice",
             Fit(pictures.placed, rates.sgd(0.008, 0.9, 1e-3), 24, 64, rates.drops(0.5, 0.8)),
             partial(lay.lightning, steps={"train_loss": "train/loss_step"},
                     names={"train_loss": "train/loss_epoch", "val_loss": "val/loss",
                            "val_accuracy": "val/acc"})),
        well("placed_triangles", "a rate that goes up and down",
             Fit(partial(pictures.placed, 8), rates.sgd(0.002, 0.9, 1e-3), 32, 64,
                 rates.triangles(0.001, 0.06, 4)),
             partial(lay.history, names=keras | {"lr": "lr"})),
        well("placed_cycle", "one cycle",
             Fit(partial(pictures.placed, 8, momentum=None, drop=0.1), rates.adam(1e-3), 22, 32,
                 rates.one_cycle(0.012)),
             partial(lay.wandb, names={"val_loss": "val/loss", "val_accuracy": "val/acc"},
                     steps={"train_loss": "train/loss", "lr": "train/lr"})),
        well("denoised", "pictures without noise, losses near 0.002",
             Fit(pictures.denoised, rates.adam(3e-3), 20, 32, rates.cosine()),
             partial(lay.events, names={"train_loss": "loss/train", "val_loss": "loss/val",
                                        "val_psnr": "psnr/val"})),
        well("painting", "a picture as a function of place",
             Fit(pictures.painting, rates.adam(1e-3), 40, 256),
             partial(lay.printed, epoch="[{e:>3}/{of}] train mse {train_loss:.6f} (psnr "
                     "{train_psnr:.2f}) | test mse {val_loss:.6f} (psnr {val_psnr:.2f})")),
        well("glanced_smooth", "label smoothing of 0.1",
             Fit(partial(pictures.glanced, smooth=0.1, drop=0.1), rates.adamw(2e-3), 30, 64,
                 rates.cosine()),
             partial(lay.epochs_csv, names={"lr": "lr", "train_loss": "train_loss",
                     "val_loss": "valid_loss", "val_accuracy_pct": "valid_top1",
                     "val_top3_pct": "valid_top3"}), also=("CRV004",)),
        well("glanced_average", "averaged weights are validated",
             Fit(partial(pictures.glanced, drop=0.1), rates.adamw(2e-3), 25, 48, average=0.98),
             partial(lay.printed, ending="txt", epoch="Train: {e} [{inside}/{inside} (100%)]  "
                     "Loss: {train_loss:.3f}  LR: {lr:.3e}\n"
                     "Test (EMA): [   6/6]  Loss: {val_loss:.4f}  Acc@1: {val_accuracy_pct:.3f}  "
                     "Acc@3: {val_top3_pct:.3f}", first=0), also=("CRV004",)),
        well("glanced_bfloat", "mixed precision",
             Fit(pictures.glanced, rates.adam(2e-3), 12, 32, rates.warmed(), bfloat=True),
             partial(lay.lines, names={"val_loss": "val_loss", "val_accuracy": "val_acc"},
                     steps={"train_loss": "loss", "lr": "lr", "grad_norm": "grad_norm"},
                     step="global_step")),
        well("glanced_warm", "a warm-up and an inverse square root",
             Fit(partial(pictures.glanced, 40), rates.adamw(4e-3), 9, 32, rates.warmed(0.25)),
             partial(lay.trainer_state, names={"val_loss": "eval_loss",
                                               "val_accuracy": "eval_accuracy"}),
             also=("CRV004",)),
        well("moved_dropout", "dropout of a half",
             Fit(partial(pictures.moved_digits, 10, drop=0.5), rates.adam(2e-3), 18),
             partial(lay.epochs_csv, names=keras, first=0), "below"),
        well("moved_augmented", "training pictures under noise and holes",
             Fit(partial(pictures.moved_digits, 8), rates.rmsprop(2e-3), 20,
                 augment=lambda x: x * (torch.rand_like(x) > 0.3) + 0.3 * torch.randn_like(x)),
             partial(lay.printed, epoch="Epoch {e}/{of}: train_loss {train_loss:.4f}, train_acc "
                     "{train_accuracy:.4f}, valid_loss {val_loss:.4f}, valid_acc "
                     "{val_accuracy:.4f}"), "below"),
        well("moved_penalty", "the size of the weights is part of the training loss",
             Fit(partial(pictures.moved_digits, 6, penalty=1e-4, drop=0.1), rates.adadelta(), 22),
             partial(lay.lines, names={"train_loss": "Train Loss", "val_loss": "Validation Loss",
                                       "val_accuracy": "Validation Accuracy"})),
        well("photographs_single", "one picture a step",
             Fit(partial(pictures.photographs, 6), rates.sgd(0.01), 2, 1),
             partial(lay.printed, most=280, step="Train Epoch: {e} [{at}/{inside}]\tLoss: "
                     "{train_loss:.6f}", epoch="\nTest set: Average loss: {val_loss:.4f}, "
                     "Accuracy: {val_accuracy:.2%}\n")),
        well("twins", "NT-Xent from the log of 127 on",
             Fit(pictures.twins, rates.adam(1e-3), 25, 64),
             partial(lay.events, names={"val_loss": "val_contrastive_loss"},
                     steps={"train_loss": "train_contrastive_loss"})),
        well("twins_cosine", "a negative cosine",
             Fit(partial(pictures.twins, cosine=True, test=400), rates.sgd(0.05, 0.9), 22, 64,
                 rates.cosine()),
             partial(lay.epochs_csv, separator="\t", ending="tsv",
                     names={"train_loss": "train_loss", "val_loss": "val_loss", "lr": "lr"})),
        well("segmented", "the kind of each pixel",
             Fit(partial(pictures.segmented, drop=0.05), rates.adam(4e-3), 18, 16, rates.cosine()),
             partial(lay.printed, epoch="epoch {e:02d} - train loss {train_loss:.4f} - val loss "
                     "{val_loss:.4f} - mIoU {val_miou:.4f}")),
        well("segmented_tuned", "resumed from a good state",
             Fit(pretrained(partial(pictures.segmented, 8), 200, 5e-3), rates.adam(3e-4), 10, 16),
             partial(lay.lightning, names={"train_loss": "train_loss", "val_loss": "val_loss",
                                           "val_miou": "val_mIoU"})),
        well("boxes", "where things are: parts of a loss",
             Fit(pictures.boxes, rates.adamw(2e-3), 30, 32, rates.cosine()),
             partial(lay.results, names={
                 "train_box": "train/box_loss", "train_cls": "train/cls_loss",
                 "val_map50": "metrics/mAP50(B)", "val_box": "val/box_loss",
                 "val_cls": "val/cls_loss", "lr": "lr/pg0"})),
        well("photographs_brief", "four epochs",
             Fit(partial(pictures.photographs, 10), rates.adam(2e-3), 4),
             partial(lay.history, names=keras)),
    ]  # fmt: skip


def _text() -> list[Trial]:
    ppl = {"train_loss": "train_loss", "val_loss": "val_loss", "val_perplexity": "val_ppl"}
    return [
        well("prose_gpt", "a small GPT on Python's manual",
             Fit(partial(text.prose, drop=0.1), rates.adamw(2e-3), 14, 32, rates.warmed(),
                 clip=1.0),
             partial(lay.printed, ending="txt", most=130,
                     step="iter {n}: loss {train_loss:.4f}, time 41.02ms, mfu 0.02%",
                     epoch="step {n}: train loss {train_loss:.4f}, val loss {val_loss:.4f}",
                     head=["number of parameters: 0.03M", "compiling the model..."])),
        well("prose_gru", "a GRU on Python's manual",
             Fit(partial(text.prose, "gru", 40), rates.adam(3e-3), 12, 16, clip=1.0),
             partial(lay.printed, most=140,
                     step="| epoch {e:3d} | {at:5d}/{inside:5d} batches | lr {lr:02.4f} | ms/batch "
                     " 4.21 | loss {train_loss:5.2f} | ppl {train_perplexity:8.2f}",
                     epoch="-" * 89 + "\n| end of epoch {e:3d} | time: {sec:5.2f}s | valid loss "
                     "{val_loss:5.2f} | valid ppl {val_perplexity:8.2f}\n" + "-" * 89)),
        well("prose_lstm", "an LSTM on Python's manual",
             Fit(partial(text.prose, "lstm", 40, drop=0.2), rates.rmsprop(3e-3), 16, 32),
             partial(lay.lightning, names=ppl)),
        well("prose_cut", "a GPT cut short",
             Fit(partial(text.prose, windows=800), rates.adamw(5e-4), 8, 32),
             partial(lay.trainer_state, names={"val_loss": "eval_loss",
                                               "val_perplexity": "eval_perplexity"}), "cut"),
        well("prose_tuned", "a GRU that was trained before",
             Fit(pretrained(partial(text.prose, "gru", 32), 250, 4e-3), rates.adam(2e-4), 9, 32),
             partial(lay.lines, names={"train_perplexity": "train/ppl",
                                       "val_perplexity": "valid/ppl", "train_loss": "train/loss",
                                       "val_loss": "valid/loss"})),
        well("sources", "from which module a line is",
             Fit(partial(text.sources, drop=0.4), rates.adamw(2e-3), 12, 32),
             partial(lay.trainer_state, names={"val_loss": "eval_loss", "val_f1": "eval_f1",
                                               "val_accuracy": "eval_accuracy"})),
        well("sources_cut", "a bag of letters cut short",
             Fit(partial(text.sources, 16, bag=True), rates.sgd(0.6), 10, 32),
             partial(lay.epochs_csv, epoch="Epoch", names={
                 "train_loss": "Train Loss", "val_loss": "Valid Loss", "val_f1": "Valid F1"}),
             "cut"),
        well("skipgram", "neighbours of words, from 6 ln 2 on",
             Fit(text.skipgram, rates.adam(5e-3), 6, 64),
             partial(lay.steps_csv, names={"train_loss": "loss"}, most=280, step="batch")),
        well("sums", "sums of two numbers",
             Fit(text.sums, rates.adamw(2e-3, 0.01), 60, 64),
             partial(lay.wandb, ending="jsonl", names={
                 "train_loss": "train/loss", "val_loss": "eval/loss",
                 "val_exact_match": "eval/exact_match"})),
        well("lorenz", "chaotic weather",
             Fit(text.lorenz, rates.adam(3e-3), 25, 32, rates.cosine()),
             partial(lay.epochs_csv, names={"train_rmse": "train_rmse", "val_rmse": "val_rmse"})),
        well("lorenz_watched", "the rate drops where the validation rests",
             Fit(partial(text.lorenz, 16, nn.GRU, 0.1), rates.adam(1e-2), 40, 64,
                 on_validation=rates.on_plateau()),
             partial(lay.history, names={"train_loss": "loss", "val_loss": "val_loss",
                                         "val_rmse": "val_rmse", "lr": "learning_rate"})),
        well("recall", "the first symbol of a row, flat and then quick",
             Fit(partial(text.recall, gap=14, kind="gru"), rates.adam(3e-3), 25, 32),
             partial(lay.printed, epoch="{e}: loss={train_loss:.5f} acc={train_accuracy:.3f} "
                     "val_loss={val_loss:.5f} val_acc={val_accuracy:.3f} lr={lr:.2e}"),
             "slow start"),
        well("letters_by_hand", "a recurrent network in numpy", plain.letters_by_hand(steps=3000),
             partial(lay.printed, step="iter {n}, loss: {train_loss:.6f}", first=0, ending="txt")),
    ]  # fmt: skip


def runs() -> list[Trial]:
    """All of the third set: nobody looks into one half, rules are tuned on the other."""
    made = [*_pictures(), *_text(), *unseen_steady.runs(), *unseen_sick.runs(),
            *unseen_sick_sudden.runs()]  # fmt: skip
    return [dataclasses.replace(trial, half=_half(trial.name)) for trial in made]


def _half(name: str) -> str:
    even = hashlib.sha256(name.encode()).digest()[-1] % 2 == 0
    return "tuning-3" if even else "held-out-3"
