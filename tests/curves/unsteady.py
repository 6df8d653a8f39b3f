"""The runs that blow up, spike, swing, or end in NaN."""

from __future__ import annotations

from tests.curves.training import Recipe


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


def runs() -> list[Recipe]:
    """All of them."""
    return [*_divergence(), *_nan(), *_spikes(), *_unstable(), *_oscillating()]
