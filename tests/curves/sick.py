"""The runs that learn nothing, too little, or the training rows alone."""

from __future__ import annotations

from tests.curves.training import Recipe


def _overfitting() -> list[Recipe]:
    def run(name: str, net: str, data: str, writer: str, **more: object) -> Recipe:
        return Recipe(
            f"overfit_{name}", "overfitting", "few rows, a wide net, no regularisation, long",
            writer, net, data, allowed=("CRV004", "CRV008"),
            expected=("CRV001", "CRV004") if name == "autoencoder" else ("CRV001",), **more,
        )  # fmt: skip

    return [
        run("blobs_mlp", "mlp", "blobs", "plain_csv", train_size=150, width=128, epochs=60),
        run("shapes_cnn", "cnn", "shapes", "keras", train_size=120, width=24, epochs=80),
        run("shapes_resnet", "resnet", "shapes", "tensorboard", train_size=100, width=24,
            epochs=100),
        run("diabetes_mlp", "mlp", "diabetes", "jsonl", width=128, epochs=80),
        run("text", "charformer", "text", "trainer_state", train_size=120, width=48, epochs=50,
            rate=3e-3, columns="loss"),
        run("outlines", "cnn", "outlines", "mlflow", train_size=150, label_noise=0.3, width=24,
            epochs=90, rate=4e-3, columns="no lr"),
        run("blobs_slow", "mlp", "blobs", "history_json", width=48, epochs=60),
        run("noisy_digits", "mlp", "digits", "history_json", label_noise=0.4, width=256,
            epochs=50, columns="no lr"),
        run("noisy_cancer", "mlp", "cancer", "tsv", label_noise=0.25, width=128, epochs=60,
            columns="no lr"),
        run("blobs_sgd", "mlp", "blobs", "step_jsonl", train_size=200, width=96, epochs=90,
            optimiser="momentum", rate=0.05, columns="loss"),
        run("autoencoder", "autoencoder", "digits", "fastai", train_size=30, width=128, epochs=150,
            rate=2e-3, batch=8, columns="loss"),
    ]  # fmt: skip


def _underfitting() -> list[Recipe]:
    at_chance = ("digits_decay", "shapes_linear", "shapes_narrow", "digits_slow", "blobs_slow",
                 "friedman_decay", "waves_gru", "frozen_digits", "spirals_narrow",
                 "outlines_narrow")  # fmt: skip

    def run(name: str, cause: str, net: str, data: str, writer: str, **more: object) -> Recipe:
        return Recipe(
            f"underfit_{name}", "underfitting", cause, writer, net, data,
            expected=("CRV002", "CRV010") if name in at_chance else ("CRV002",),
            allowed=("CRV007", "CRV010", "CRV011", "CRV012"), **more,
        )  # fmt: skip

    return [
        run("spirals_linear", "a straight line for spirals", "logistic", "spirals", "plain_csv",
            epochs=40, rate=1e-2),
        run("shapes_linear", "a linear model for outlines", "logistic", "shapes", "stdout_bars",
            epochs=30, optimiser="sgd", rate=1e-3),
        run("digits_decay", "weight decay far too heavy", "mlp", "digits", "keras", decay=0.3,
            epochs=30),
        run("blobs_narrow", "one hidden unit", "mlp", "blobs", "jsonl", width=1, epochs=60,
            rate=5e-3),
        run("digits_narrow", "two hidden units", "mlp", "digits", "history_json", width=2,
            epochs=40),
        run("shapes_narrow", "two channels", "cnn", "shapes", "tensorboard", width=2, epochs=40),
        run("digits_dropout", "dropout of 0.93", "mlp", "digits", "fastai", dropout=0.93, width=64,
            epochs=40),
        run("digits_slow", "a rate far too low for the epochs", "mlp", "digits", "tsv",
            optimiser="sgd", rate=3e-4, epochs=30),
        run("blobs_slow", "a rate far too low for the epochs", "mlp", "blobs", "lightning",
            optimiser="sgd", rate=5e-4, epochs=30),
        run("friedman_decay", "weight decay far too heavy", "mlp", "friedman", "mlflow", decay=0.5,
            epochs=40),
        run("waves_gru", "one recurrent unit", "gru", "waves", "short_csv", width=1, epochs=40),
        run("frozen_digits", "a random body left frozen", "deep_sigmoid", "digits", "list_json",
            trouble="frozen body", epochs=30),
        run("spirals_narrow", "two hidden units", "mlp", "spirals", "tensorboard", width=2,
            epochs=50, rate=5e-3),
        run("blobs_dropout", "dropout of 0.9", "mlp", "blobs", "stdout_bars", dropout=0.9, width=64,
            epochs=40),
        run("outlines_narrow", "one channel", "cnn", "outlines", "plain_csv", width=1, epochs=30,
            rate=3e-3),
        run("text", "two numbers a character", "charformer", "text", "trainer_state", width=2,
            epochs=12, columns="loss"),
    ]  # fmt: skip


def _not_learning() -> list[Recipe]:
    def run(name: str, cause: str, net: str, data: str, writer: str, **more: object) -> Recipe:
        return Recipe(
            f"flat_{name}", "not learning", cause, writer, net, data, expected=("CRV010",),
            allowed=("CRV002", "CRV007"), **more,
        )  # fmt: skip

    return [
        run("zero_rate", "a learning rate of 0", "mlp", "digits", "plain_csv", rate=0.0),
        run("tiny_rate", "a learning rate of 1e-9", "cnn", "shapes", "keras", rate=1e-9),
        run("detached", "the outputs detached from the graph", "mlp", "blobs", "jsonl",
            trouble="detached"),
        run("stranger", "the optimiser holds another network's weights", "gru", "waves",
            "lightning", trouble="optimiser of another network"),
        run("sigmoids", "six sigmoid layers", "deep_sigmoid", "digits", "tensorboard",
            optimiser="sgd", rate=0.05, epochs=25),
        run("sigmoids_steps", "six sigmoid layers", "deep_sigmoid", "blobs", "step_jsonl",
            optimiser="momentum", rate=0.02, epochs=15),
        run("dead", "ReLUs dead from the start", "mlp", "digits", "stdout_bars",
            trouble="dead ReLU", rate=1e-4),
        run("zero_weights", "all weights zero", "mlp", "shapes", "history_json",
            trouble="zero weights"),
        run("unmatched", "inputs shuffled without their labels", "mlp", "digits", "fastai",
            trouble="unmatched labels", epochs=25, optimiser="sgd", rate=0.05),
        run("unmatched_values", "targets shuffled in each batch", "mlp", "diabetes", "tsv",
            trouble="unmatched labels", epochs=25, optimiser="sgd", rate=0.01),
        run("text_stranger", "the optimiser holds another network's weights", "charformer", "text",
            "trainer_state", trouble="optimiser of another network", epochs=8, columns="loss"),
        run("high_rate", "a rate far too high killed the ReLUs at once", "cnn", "shapes",
            "list_json", rate=0.05, epochs=40),
        run("regression", "the outputs detached from the graph", "mlp", "housing", "mlflow",
            trouble="detached"),
        run("dead_steps", "ReLUs dead from the start", "mlp", "digits", "step_csv_gz",
            trouble="dead ReLU", rate=1e-3, epochs=15, batch=16, columns="train"),
    ]  # fmt: skip


def _plateau() -> list[Recipe]:
    also = {"digits_equal": ("CRV007", "CRV010")}
    also |= dict.fromkeys(("blobs_equal", "spirals_equal"), ("CRV007", "CRV002"))

    def run(name: str, cause: str, net: str, data: str, writer: str, **more: object) -> Recipe:
        return Recipe(
            f"plateau_{name}", "plateau", cause, writer, net, data, allowed=("CRV002", "CRV010"),
            expected=also.get(name, ("CRV007",)), **more,
        )  # fmt: skip

    drop, equal = "the rate dropped to nothing too early", "all weights start equal"
    return [
        run("digits_drop", drop, "mlp", "digits", "plain_csv", schedule="early drop",
            optimiser="momentum", rate=0.005, epochs=40),
        run("outlines_drop", drop, "cnn", "outlines", "keras", schedule="early drop", rate=4e-3,
            epochs=40),
        run("blobs_drop", drop, "mlp", "blobs", "jsonl", schedule="early drop", rate=4e-3,
            epochs=50),
        run("housing_drop", drop, "mlp", "housing", "tensorboard", schedule="early drop",
            rate=1e-3, epochs=40),
        run("text_drop", drop, "charformer", "text", "trainer_state", schedule="early drop",
            rate=3e-3, epochs=20, columns="loss"),
        run("waves_drop", drop, "mlp", "waves", "lightning", schedule="early drop", rate=1e-3,
            epochs=50),
        run("digits_equal", equal, "mlp", "digits", "stdout_bars", trouble="equal weights",
            epochs=40, optimiser="momentum", rate=0.02),
        run("blobs_equal", equal, "mlp", "blobs", "history_json", trouble="equal weights",
            epochs=60, rate=5e-3),
        run("digits_steps", drop, "mlp", "digits", "step_csv_gz", schedule="early drop",
            optimiser="sgd", rate=0.05, epochs=30, columns="train lr"),
        run("spirals_equal", equal, "mlp", "spirals", "tsv", trouble="equal weights", epochs=60,
            rate=1e-2),
        run("friedman_drop", drop, "mlp", "friedman", "list_json", schedule="early drop", rate=1e-3,
            epochs=40),
    ]  # fmt: skip


def _gap() -> list[Recipe]:
    def run(name: str, cause: str, net: str, data: str, writer: str, **more: object) -> Recipe:
        return Recipe(
            f"gap_{name}", "generalisation gap", cause, writer, net, data,
            expected=("CRV004", "CRV001"), allowed=("CRV008",), **more,
        )  # fmt: skip

    shift, few = "the validation pictures are noisier than the training ones", "few rows, decay"
    return [
        run("digits_shift", shift, "mlp", "digits", "plain_csv", test_noise=0.8, epochs=25,
            optimiser="momentum", rate=0.01, decay=1e-3),
        run("cancer_shift", shift, "logistic", "cancer", "keras", test_noise=2.0, epochs=40,
            optimiser="momentum", rate=2e-3, decay=1e-2),
        run("wine_shift", shift, "logistic", "wine", "jsonl", test_noise=2.2, epochs=40, rate=3e-3,
            decay=1e-2),
        run("blobs_few", few, "mlp", "blobs", "history_json", train_size=200, epochs=40,
            schedule="cosine", decay=1e-2, rate=2e-3, width=64),
        run("friedman_few", few, "mlp", "friedman", "stdout_bars", train_size=80, epochs=60,
            decay=1e-2, schedule="cosine", rate=2e-3, width=64),
        run("waves_few", few, "gru", "waves", "lightning", train_size=100, epochs=50,
            schedule="cosine", rate=6e-3, decay=1e-4),
        run("housing_shift", shift, "mlp", "housing", "tsv", test_noise=1.0, epochs=25,
            decay=3e-3),
        run("digits_few", few, "mlp", "digits", "list_json", train_size=60, epochs=50, decay=1e-2,
            schedule="cosine", width=64),
        run("text_few", few, "charformer", "text", "trainer_state", train_size=120, epochs=25,
            schedule="cosine", rate=3e-3, columns="loss"),
        run("friedman_wide", "few rows, a wide net", "mlp", "friedman", "stdout_bars",
            train_size=100, width=128, epochs=80),
        run("housing_wide", "few rows, a wide net", "mlp", "housing", "mlflow", train_size=120,
            width=128, epochs=90, rate=2e-3),
        run("resnet_shift", shift, "resnet", "digits", "fastai", test_noise=0.8, epochs=20,
            schedule="cosine", rate=3e-3, width=16),
    ]  # fmt: skip


def runs() -> list[Recipe]:
    """All of them."""
    return [*_overfitting(), *_underfitting(), *_not_learning(), *_plateau(), *_gap()]
