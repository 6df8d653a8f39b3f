"""The runs that go wrong, each for a real reason."""

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


def _divergence() -> list[Recipe]:
    def run(name: str, cause: str, net: str, data: str, writer: str, **more: object) -> Recipe:
        return Recipe(
            f"diverge_{name}", "divergence", cause, writer, net, data, expected=("CRV006",),
            allowed=("CRV003", "CRV005", "CRV008", "CRV009", "CRV001", "CRV010"), **more,
        )  # fmt: skip

    return [
        run("housing", "a rate above the edge", "logistic", "housing", "plain_csv",
            optimiser="sgd", rate=1.1, epochs=8, batch=128),
        run("diabetes", "a rate above the edge", "logistic", "diabetes", "keras", optimiser="sgd",
            rate=0.62, epochs=5, batch=64),
        run("ascent", "the sign of the step is wrong", "mlp", "blobs", "jsonl", trouble="ascent",
            epochs=15, columns="no lr"),
        run("ascent_digits", "the sign of the step is wrong", "cnn", "digits", "tensorboard",
            trouble="ascent", optimiser="sgd", rate=0.004, epochs=6),
        run("uncleared", "gradients never cleared", "mlp", "digits", "stdout_bars",
            trouble="gradients never cleared", optimiser="sgd", rate=0.02, epochs=15),
        run("uncleared_waves", "gradients never cleared", "lstm", "waves", "history_json",
            trouble="gradients never cleared", optimiser="sgd", rate=0.05, epochs=25),
        run("ramp", "a rate that grows past the edge", "mlp", "friedman", "lightning",
            schedule="ramp", optimiser="momentum", rate=0.05, epochs=20, clip=5.0, columns="loss"),
        run("ramp_text", "a rate that grows past the edge", "charformer", "text", "trainer_state",
            schedule="ramp", rate=0.02, epochs=12, columns="loss"),
        run("late", "the rate jumps in the middle", "cnn", "outlines", "fastai",
            schedule="late jump", rate=1e-3, epochs=20),
        run("late_blobs", "the rate jumps in the middle", "mlp", "blobs", "tsv",
            schedule="late jump", optimiser="momentum", rate=0.01, epochs=20, clip=5.0),
        run("digits", "a rate above the edge", "mlp", "digits", "mlflow", optimiser="momentum",
            rate=0.25, epochs=25),
        run("steps", "a rate that grows past the edge", "mlp", "digits", "step_csv_gz",
            schedule="ramp", optimiser="momentum", rate=0.3, epochs=15, clip=10.0,
            columns="train lr"),
    ]  # fmt: skip


def _nan() -> list[Recipe]:
    def run(name: str, cause: str, net: str, data: str, writer: str, **more: object) -> Recipe:
        return Recipe(
            f"nan_{name}", "NaN loss", cause, writer, net, data, expected=("CRV005",),
            allowed=("CRV003", "CRV006", "CRV009", "CRV001"), **more,
        )  # fmt: skip

    return [
        run("softmax", "softmax by hand overflows", "mlp", "digits", "plain_csv",
            trouble="softmax by hand", optimiser="momentum", rate=0.3, epochs=15),
        run("half", "half precision overflows", "mlp", "digits", "jsonl", trouble="half precision",
            rate=0.01, schedule="ramp", epochs=20),
        run("batch", "one NaN among the inputs of a batch", "mlp", "digits", "lightning",
            trouble="NaN in a batch", when=(0.5,), epochs=12),
        run("growth", "a rate far too high", "logistic", "friedman", "stdout_bars",
            optimiser="sgd", rate=0.9, epochs=14),
        run("val_only", "one NaN in the validation set", "mlp", "cancer", "tensorboard",
            trouble="NaN in the validation set"),
        run("val_housing", "one NaN in the validation set", "mlp", "housing", "history_json",
            trouble="NaN in the validation set"),
        run("overflow", "a rate far too high", "mlp", "friedman", "mlflow", optimiser="sgd",
            rate=0.1, schedule="ramp", epochs=20),
        run("log_output", "the log of a negative output", "mlp", "housing", "step_jsonl",
            trouble="log of the output", epochs=8, columns="loss"),
        run("late_batch", "one NaN among the inputs of a batch", "gru", "waves", "trainer_state",
            trouble="NaN in a batch", when=(0.8,), epochs=15),
        run("steps", "one NaN among the inputs of a batch", "cnn", "digits", "step_csv_gz",
            trouble="NaN in a batch", when=(0.6,), epochs=12, columns="train"),
        run("early", "one NaN among the inputs of a batch", "resnet", "digits", "tsv",
            trouble="NaN in a batch", when=(0.02,), epochs=10),
    ]  # fmt: skip


def _spikes() -> list[Recipe]:
    def run(name: str, cause: str, net: str, data: str, writer: str, **more: object) -> Recipe:
        return Recipe(
            f"spike_{name}", "loss spikes", cause, writer, net, data, expected=("CRV009",),
            allowed=("CRV003", "CRV008"), **more,
        )  # fmt: skip

    bad, rate = "one batch of inputs not scaled", "the rate 300 times too high for one step"
    return [
        run("digits", bad, "mlp", "digits", "plain_csv", trouble="unscaled batch", when=(0.6,),
            epochs=30, optimiser="momentum", rate=0.01),
        run("cancer", bad, "mlp", "cancer", "keras", trouble="unscaled batch", when=(0.5,),
            epochs=30),
        run("blobs", bad, "mlp", "blobs", "step_jsonl", trouble="unscaled batch",
            when=(0.4, 0.8), epochs=12),
        run("housing", bad, "mlp", "housing", "lightning", trouble="unscaled batch",
            when=(0.55,), epochs=25),
        run("friedman", bad, "logistic", "friedman", "tensorboard", trouble="unscaled batch",
            when=(0.5,), epochs=30, rate=5e-3),
        run("rate_digits", rate, "cnn_bn", "digits", "stdout_bars", trouble="rate spike",
            when=(0.5,), epochs=24, width=16),
        run("rate_outlines", rate, "resnet", "outlines", "history_json", trouble="rate spike",
            when=(0.6,), epochs=30, width=16),
        run("rate_text", rate, "charformer", "text", "trainer_state", trouble="rate spike",
            when=(0.5,), epochs=12, rate=3e-3, columns="loss"),
        run("rate_steps", rate, "mlp", "digits", "step_csv_gz", trouble="rate spike", when=(0.5,),
            epochs=20, columns="train"),
        run("targets", "one batch of targets in the wrong unit", "mlp", "diabetes", "mlflow",
            trouble="wrong labels in a batch", when=(0.5,), epochs=30),
        run("waves", rate, "gru", "waves", "tsv", trouble="rate spike", when=(0.6,), epochs=30,
            rate=3e-3),
        run("steps_housing", "one batch of targets in the wrong unit", "mlp", "housing",
            "stdout_steps", trouble="wrong labels in a batch", when=(0.5, 0.75), epochs=11,
            columns="loss"),
    ]  # fmt: skip


def _unstable() -> list[Recipe]:
    lost_it = (
        "cancer_sgd",
        "spirals",
        "waves_gru",
    )  # ends far above its best: both names are right

    def run(name: str, net: str, data: str, writer: str, **more: object) -> Recipe:
        return Recipe(
            f"unstable_{name}", "unstable training", "a rate at the edge of stability", writer,
            net, data, expected=("CRV003", "CRV006") if name in lost_it else ("CRV003",),
            allowed=("CRV001", "CRV002", "CRV004", "CRV006", "CRV007", "CRV008", "CRV009"), **more,
        )  # fmt: skip

    return [
        run("digits_sgd", "mlp", "digits", "plain_csv", optimiser="momentum", rate=0.16, epochs=30),
        run("digits_adam", "cnn", "digits", "keras", rate=0.06, epochs=40),
        run("blobs_adam", "mlp", "blobs", "jsonl", rate=0.1, epochs=40),
        run("cancer_sgd", "mlp", "cancer", "stdout_bars", optimiser="momentum", rate=0.2,
            epochs=40, batch=16),
        run("housing_sgd", "mlp", "housing", "lightning", optimiser="momentum", rate=0.12,
            epochs=30, clip=8.0),
        run("friedman_adam", "mlp", "friedman", "short_csv", rate=0.12, epochs=30),
        run("friedman_linear", "logistic", "friedman", "list_json", optimiser="sgd", rate=0.6,
            epochs=30),
        run("waves_gru", "gru", "waves", "history_json", rate=0.15, epochs=30),
        run("spirals", "mlp", "spirals", "fastai", optimiser="momentum", rate=0.3, epochs=30),
        run("digits_step", "mlp", "digits", "step_jsonl", optimiser="momentum", rate=0.16,
            epochs=10, columns="train"),
        run("wine", "mlp", "wine", "tsv", optimiser="momentum", rate=1.0, epochs=40, clip=4.0),
    ]  # fmt: skip


def _oscillating() -> list[Recipe]:
    def run(name: str, cause: str, net: str, data: str, writer: str, **more: object) -> Recipe:
        return Recipe(
            f"oscillate_{name}", "oscillating validation", cause, writer, net, data,
            expected=("CRV008",), allowed=("CRV003", "CRV009", "CRV004", "CRV001"), **more,
        )  # fmt: skip

    last = "running statistics of the last small batch alone"
    high = "a high rate before batch normalisation"
    return [
        run("blobs_bn", last, "norm_mlp", "blobs", "jsonl", momentum=1.0, batch=6, epochs=30,
            width=64),
        run("cancer_bn", last, "norm_mlp", "cancer", "tensorboard", momentum=1.0, batch=6,
            epochs=30, width=64),
        run("housing_bn", last, "norm_mlp", "housing", "history_json", momentum=1.0, batch=6,
            epochs=25, width=64),
        run("friedman_bn", last, "norm_mlp", "friedman", "mlflow", momentum=1.0, batch=5,
            epochs=25, width=64),
        run("shapes_rate", high, "resnet", "shapes", "fastai", rate=0.06, epochs=30, width=16),
        run("digits_bn", last, "norm_mlp", "digits", "plain_csv", momentum=1.0, batch=4, epochs=25,
            width=64, train_size=600),
        run("waves_bn", last, "norm_mlp", "waves", "keras", momentum=1.0, batch=4, epochs=25,
            width=48, train_size=500),
        run("spirals_bn", last, "norm_mlp", "spirals", "stdout_bars", momentum=1.0, batch=6,
            epochs=30, width=48),
        run("diabetes_bn", last, "norm_mlp", "diabetes", "lightning", momentum=1.0, batch=5,
            epochs=25, width=48),
        run("outlines_rate", high, "resnet", "outlines", "tsv", rate=0.1, epochs=25, width=12),
        run("wine_bn", last, "norm_mlp", "wine", "list_json", momentum=1.0, batch=4, epochs=40,
            width=64),
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
    return [
        *_overfitting(), *_underfitting(), *_not_learning(), *_divergence(), *_nan(), *_spikes(),
        *_unstable(), *_oscillating(), *_plateau(), *_gap(),
    ]  # fmt: skip
