"""The runs that go well, of each kind that looks odd at first sight."""

from __future__ import annotations

from tests.curves.training import Recipe

_LATE = ("CRV011", "CRV012")


def _run(
    name: str, kind: str, net: str, data: str, writer: str, expected: tuple[str, ...] = (),
    **more: object,
) -> Recipe:  # fmt: skip
    return Recipe(
        f"healthy_{name}", kind, kind, writer, net, data, expected=expected, allowed=_LATE, **more
    )


def _schedules() -> list[Recipe]:
    kind = "healthy"
    return [
        _run("step_digits", kind, "mlp", "digits", "plain_csv", schedule="step", epochs=30,
             optimiser="momentum", rate=0.02, decay=1e-3),
        _run("step_sgd", kind, "resnet", "digits", "tensorboard", schedule="step", epochs=24,
             optimiser="momentum", rate=0.1, decay=5e-4, width=16),
        _run("warm_up", kind, "charformer", "text", "trainer_state", schedule="warm-up",
             epochs=10, rate=2e-3, dropout=0.1, columns="loss"),
        _run("warm_up_waves", kind, "lstm", "waves", "jsonl", schedule="warm-up", epochs=30,
             rate=5e-3),
        _run("one_cycle", kind, "cnn_bn", "digits", "lightning", schedule="one-cycle", epochs=15,
             rate=0.01, width=16),
        _run("one_cycle_blobs", kind, "mlp", "blobs", "history_json", schedule="one-cycle",
             epochs=12, rate=0.005, decay=1e-4, dropout=0.35),
        _run("cosine", kind, "cnn_bn", "digits", "stdout_bars", schedule="cosine", epochs=25,
             rate=3e-3, width=16),
        _run("restarts", kind, "resnet", "digits", "keras", schedule="restarts", epochs=32,
             optimiser="momentum", rate=0.05, decay=5e-4, width=16),
        _run("restarts_housing", kind, "mlp", "housing", "plain_csv", schedule="restarts",
             epochs=32, rate=5e-3, decay=1e-4),
        _run("cyclic", kind, "mlp", "digits", "mlflow", schedule="cyclic", epochs=32,
             optimiser="momentum", rate=0.03, decay=1e-3),
    ]  # fmt: skip


def _noisy() -> list[Recipe]:
    kind = "healthy"
    return [
        _run("steps_digits", kind, "mlp", "digits", "step_csv_gz", batch=8, epochs=8,
             columns="train", optimiser="sgd", rate=0.02),
        _run("steps_blobs", kind, "mlp", "blobs", "step_jsonl", batch=8, epochs=6,
             columns="loss", width=16, decay=1e-3),
        _run("steps_outlines", kind, "cnn_bn", "outlines", "step_csv_gz", batch=8, epochs=8,
             rate=3e-3, columns="gradient", clip=1e9, width=16),
        _run("steps_text", kind, "charformer", "text", "stdout_steps", batch=4, epochs=5,
             columns="loss", rate=2e-3, dropout=0.1),
        _run("steps_housing", kind, "mlp", "housing", "step_csv_gz", batch=4, epochs=8,
             columns="train"),
        _run("steps_cancer", kind, "mlp", "cancer", "step_jsonl", batch=4, epochs=6,
             columns="train"),
        _run("steps_waves", kind, "gru", "waves", "lightning", batch=8, epochs=12, rate=3e-3),
        _run("small_val", kind, "mlp", "digits", "tsv", test_size=30, epochs=25, decay=1e-3),
        _run("small_val_wine", kind, "mlp", "wine", "jsonl", test_size=20, epochs=25,
             decay=1e-2),
        _run("small_val_cancer", kind, "logistic", "cancer", "keras", test_size=25, epochs=25),
    ]  # fmt: skip


def _odd() -> list[Recipe]:
    kind = "healthy"
    return [
        _run("fine_tuned", kind, "mlp", "digits", "plain_csv", warm=15, epochs=10, rate=3e-4),
        _run("fine_tuned_text", kind, "charformer", "text", "trainer_state", warm=8, epochs=3,
             rate=5e-4, columns="loss", dropout=0.1),
        _run("fine_tuned_housing", kind, "mlp", "housing", "ultralytics", warm=15, epochs=15,
             rate=3e-4, decay=1e-3),
        _run("tail", kind, "logistic", "cancer", "fastai", epochs=150, rate=3e-3, decay=1e-2),
        _run("tail_digits", kind, "mlp", "digits", "short_csv", epochs=120, optimiser="momentum",
             rate=0.01, decay=1e-2, schedule="cosine"),
        _run("tail_housing", kind, "mlp", "housing", "history_json", epochs=80, rate=3e-3,
             decay=3e-3, schedule="cosine"),
        _run("smoothing", kind, "mlp", "digits", "keras", smoothing=0.1, epochs=25, decay=1e-4),
        _run("smoothing_waves", kind, "mlp", "waves", "stdout_bars", smoothing=0.1,
             epochs=20, schedule="cosine", rate=2e-3),
        _run("short", kind, "cnn_bn", "digits", "plain_csv", epochs=3, rate=3e-3, width=16),
        _run("short_text", kind, "charformer", "text", "trainer_state", epochs=4, rate=3e-3,
             columns="loss"),
        _run("short_blobs", kind, "mlp", "blobs", "tensorboard", epochs=5, rate=3e-3),
        _run("regression", kind, "mlp", "housing", "jsonl", epochs=25, decay=1e-3),
        _run("regression_friedman", kind, "mlp", "friedman", "mlflow", epochs=40, decay=1e-3,
             schedule="cosine", rate=3e-3),
        _run("regression_linear", kind, "logistic", "diabetes", "ultralytics", epochs=40,
             rate=3e-3),
        _run("train_only", kind, "mlp", "digits", "stdout_steps", epochs=6, columns="train"),
        _run("train_only_epochs", kind, "cnn", "digits", "jsonl", epochs=15, columns="train",
             rate=2e-3),
        _run("accuracy_only", kind, "cnn_bn", "digits", "plain_csv", epochs=15,
             columns="accuracy", width=16),
        _run("accuracy_only_cancer", kind, "mlp", "cancer", "stdout_bars", epochs=15,
             columns="accuracy", decay=1e-3),
        _run("autoencoder", kind, "autoencoder", "digits", "lightning", epochs=25, width=64,
             columns="loss"),
        _run("language", kind, "charformer", "text", "stdout_steps", epochs=8, rate=2e-3,
             columns="loss", dropout=0.1),
        _run("hard", kind, "mlp", "blobs", "fastai", epochs=20, optimiser="adamw", rate=2e-3,
             decay=0.05, label_noise=0.15, dropout=0.2),
        _run("gru", kind, "gru", "waves", "keras", epochs=30, rate=3e-3),
        _run("adamw", kind, "resnet", "digits", "mlflow", epochs=12, optimiser="adamw", rate=2e-3,
             decay=0.05, width=16),
    ]  # fmt: skip


def _val_below() -> list[Recipe]:
    def run(name: str, net: str, data: str, writer: str, **more: object) -> Recipe:
        return _run(
            f"below_{name}", "validation below training", net, data, writer, ("CRV011",), **more
        )

    return [
        run("digits", "mlp", "digits", "plain_csv", dropout=0.5, width=128, epochs=25),
        run("digits_augment", "cnn_bn", "digits", "keras", augment=1.0, width=16, epochs=20),
        run("blobs", "mlp", "blobs", "jsonl", dropout=0.5, width=96, epochs=25),
        run("waves", "gru", "waves", "tensorboard", augment=0.8, epochs=30, rate=3e-3),
        run("wine", "mlp", "wine", "stdout_bars", dropout=0.6, width=64, epochs=40),
        run("housing", "mlp", "housing", "history_json", dropout=0.4, width=96, epochs=25),
        run("text", "charformer", "text", "step_jsonl", dropout=0.35, epochs=10, rate=3e-3,
            columns="loss"),
    ]  # fmt: skip


def _improving() -> list[Recipe]:
    def run(name: str, net: str, data: str, writer: str, **more: object) -> Recipe:
        return _run(f"cut_{name}", "still improving", net, data, writer, ("CRV012",), **more)

    return [
        run("digits", "mlp", "digits", "plain_csv", optimiser="sgd", rate=0.02, epochs=12),
        run("text", "charformer", "text", "trainer_state", rate=5e-4, epochs=6, columns="loss"),
        run("outlines", "cnn", "outlines", "keras", rate=1e-3, epochs=12),
        run("housing", "mlp", "housing", "jsonl", optimiser="sgd", rate=2e-3, epochs=15),
        run("friedman", "mlp", "friedman", "tensorboard", rate=3e-4, epochs=20),
        run("waves", "gru", "waves", "stdout_bars", rate=1.5e-3, epochs=15),
        run("autoencoder", "autoencoder", "digits", "mlflow", rate=3e-4, epochs=20,
            columns="loss"),
        run("blobs", "mlp", "blobs", "lightning", optimiser="sgd", rate=0.02, epochs=15),
    ]  # fmt: skip


def _miscalibration() -> list[Recipe]:
    def run(name: str, net: str, data: str, writer: str, **more: object) -> Recipe:
        return Recipe(
            f"calibration_{name}", "miscalibration", "the loss rises while the accuracy holds",
            writer, net, data, allowed=("CRV001", "CRV004", *_LATE), **more,
        )  # fmt: skip

    return [
        run("digits", "mlp", "digits", "plain_csv", train_size=500, width=128, epochs=100,
            rate=3e-3),
        run("cancer", "mlp", "cancer", "keras", width=96, epochs=100, rate=3e-3),
        run("waves", "gru", "waves", "tensorboard", epochs=80, rate=5e-3),
        run("digits_cnn", "cnn", "digits", "stdout_bars", train_size=600, epochs=80, rate=4e-3),
    ]  # fmt: skip


def runs() -> list[Recipe]:
    """All of them."""
    return [
        *_schedules(), *_noisy(), *_odd(), *_val_below(), *_improving(), *_miscalibration()
    ]  # fmt: skip
