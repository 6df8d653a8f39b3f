"""Runs of the third held-out set without torch: numpy by hand, scikit-learn, boosted trees."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from sklearn import datasets, ensemble, linear_model, metrics, neural_network

from tests.curves.training import Row
from tests.curves.unseen_loop import Rows
from tests.curves.unseen_text import LETTERS, manual

Array = np.ndarray


def _rows(epochs: list[Row]) -> Rows:
    epochs = [{"epoch": i, "step": i} | row for i, row in enumerate(epochs, 1)]
    return [dict(row) for row in epochs], epochs


def _cancer(learnt: int, wrong: float = 0.0) -> tuple[Array, Array, Array, Array]:
    x, y = datasets.load_breast_cancer(return_X_y=True)
    rng = np.random.default_rng(61)
    order = rng.permutation(len(x))
    x, y = x[order], y[order]
    flips = (rng.random(len(y)) < wrong) & (np.arange(len(y)) < learnt)
    return x[:learnt], np.where(flips, 1 - y, y)[:learnt], x[-200:], y[-200:]


def boosted(depth: int = 3, rate: float = 0.1, rounds: int = 100, learnt: int = 360,
            wrong: float = 0.0, share: float = 1.0,
            leaf: int = 1) -> Callable[[], Rows]:  # fmt: skip
    """Boosted trees on the tumours; log loss and error of each round."""

    def run() -> Rows:
        x, y, test_x, test_y = _cancer(learnt, wrong)
        model = ensemble.GradientBoostingClassifier(
            n_estimators=rounds, learning_rate=rate, max_depth=depth, subsample=share,
            min_samples_leaf=leaf, random_state=0,
        ).fit(x, y)  # fmt: skip
        both = zip(model.staged_predict_proba(x), model.staged_predict_proba(test_x), strict=True)
        rows = [
            {"train_loss": float(metrics.log_loss(y, a)),
             "val_loss": float(metrics.log_loss(test_y, b)),
             "train_error": float((a.argmax(1) != y).mean()),
             "val_error": float((b.argmax(1) != test_y).mean()),
             "val_auc": float(metrics.roc_auc_score(test_y, b[:, 1]))}
            for a, b in both
        ]  # fmt: skip
        for index, row in enumerate(rows):
            row["val_best"] = min(each["val_loss"] for each in rows[: index + 1])
        return _rows(rows)

    return run


def boosted_values(depth: int = 3, rate: float = 0.1, rounds: int = 120, learnt: int = 500,
                   noise: float = 0.3) -> Callable[[], Rows]:  # fmt: skip
    """Boosted trees on a bent surface; RMSE of each round."""

    def run() -> Rows:
        rng = np.random.default_rng(62)
        x = rng.uniform(-1, 1, (1000, 6))
        y = np.sin(3 * x[:, 0]) + x[:, 1] * x[:, 2] + rng.normal(0, noise, 1000)
        model = ensemble.GradientBoostingRegressor(
            n_estimators=rounds, learning_rate=rate, max_depth=depth, random_state=0
        ).fit(x[:learnt], y[:learnt])
        both = zip(model.staged_predict(x[:learnt]), model.staged_predict(x[600:]), strict=True)
        return _rows([{"train_rmse": float(np.sqrt(((a - y[:learnt]) ** 2).mean())),
                       "val_rmse": float(np.sqrt(((b - y[600:]) ** 2).mean()))}
                      for a, b in both])  # fmt: skip

    return run


def partial(kind: str, rate: float = 1e-3, epochs: int = 30, decay: float = 1e-4,
            batch: int = 64, learnt: int = 1200) -> Callable[[], Rows]:  # fmt: skip
    """scikit-learn's `partial_fit` on digits: a linear model or a perceptron."""

    def run() -> Rows:
        x, y = datasets.load_digits(return_X_y=True)
        order = np.random.default_rng(63).permutation(len(x))
        x, y = x[order] / 16, y[order]
        x, y, test_x, test_y = x[:learnt], y[:learnt], x[-500:], y[-500:]
        if kind == "linear":
            model = linear_model.SGDClassifier(
                "log_loss", alpha=decay, learning_rate="constant", eta0=rate, random_state=0
            )
        else:
            model = neural_network.MLPClassifier(
                (40,), alpha=decay, learning_rate_init=rate, batch_size=batch, random_state=0
            )
        epochs_, classes = [], np.arange(10)
        for epoch in range(epochs):
            for rows in np.array_split(np.random.default_rng(epoch).permutation(len(x)),
                                       len(x) // batch):  # fmt: skip
                model.partial_fit(x[rows], y[rows], classes=classes)
            said, test_said = model.predict_proba(x), model.predict_proba(test_x)
            epochs_.append({
                "train_loss": float(metrics.log_loss(y, said)),
                "val_loss": float(metrics.log_loss(test_y, test_said)),
                "train_accuracy": float((said.argmax(1) == y).mean()),
                "val_accuracy": float((test_said.argmax(1) == test_y).mean()),
            })  # fmt: skip
        return _rows(epochs_)

    return run


def by_hand(rate: float, epochs: int, width: int = 24, batch: int = 10**6, learnt: int = 700,
            safe: bool = True, gain: float = 1.0) -> Callable[[], Rows]:  # fmt: skip
    """Two layers in numpy on two circles; without `safe` the logarithm meets zero."""

    def run() -> Rows:
        rng = np.random.default_rng(64)
        x, y = datasets.make_circles(1000, noise=0.12, factor=0.5, random_state=65)
        y = y[:, None]
        w, b = gain * rng.normal(size=(2, width)), np.zeros(width)
        v, c = gain * rng.normal(size=(width, 1)) / width**0.5, np.zeros(1)

        def forward(x: Array) -> tuple[Array, Array]:
            hidden = np.tanh(x @ w + b)
            return hidden, (1 / (1 + np.exp(-(hidden @ v + c)))).astype(np.float32)

        def cost(said: Array, y: Array) -> float:
            said = said.clip(1e-7, 1 - 1e-7) if safe else said
            return float(-(y * np.log(said) + (1 - y) * np.log(1 - said)).mean())

        out = []
        with np.errstate(all="ignore"):
            for _ in range(epochs):
                for rows in np.array_split(rng.permutation(learnt), max(1, learnt // batch)):
                    hidden, said = forward(x[rows])
                    error = (said - y[rows]) / len(rows)
                    back = error @ v.T * (1 - hidden**2)
                    v -= rate * hidden.T @ error
                    c -= rate * error.sum(0)
                    w -= rate * x[rows].T @ back
                    b -= rate * back.sum(0)
                said, test = forward(x[:learnt])[1], forward(x[learnt:])[1]
                row = {}
                for part, guess, truth in (("train", said, y[:learnt]), ("val", test, y[learnt:])):
                    row[f"{part}_loss"] = cost(guess, truth)
                    row[f"{part}_accuracy"] = float(((guess > 0.5) == truth).mean())
                out.append(row)
        return _rows(out)

    return run


def least_squares(rate: float, epochs: int, momentum: float = 0.0) -> Callable[[], Rows]:
    """Gradient descent on a linear regression of diabetes, columns not scaled alike."""

    def run() -> Rows:
        x, y = datasets.load_diabetes(return_X_y=True)
        x = np.c_[x / x.std(0) * np.linspace(0.5, 2, 10), np.ones(len(x))]
        y = (y - y.mean()) / y.std()
        w, pace, out = np.zeros(11), np.zeros(11), []
        for _ in range(epochs):
            error = x[:320] @ w - y[:320]
            pace = momentum * pace - rate * x[:320].T @ error / 320
            w = w + pace
            test = x[320:] @ w - y[320:]
            row = {"train_loss": float((error**2).mean()), "val_loss": float((test**2).mean())}
            out.append(row)
        return _rows(out)

    return run


def letters_by_hand(rate: float = 0.1, steps: int = 2500, width: int = 40, clip: float = 5.0,
                    every: int = 20) -> Callable[[], Rows]:  # fmt: skip
    """A plain recurrent network in numpy with Adagrad; the loss of 20 letters, smoothed."""

    def run() -> Rows:
        rng = np.random.default_rng(66)
        text, symbols = manual().numpy(), len(LETTERS)
        shapes = ((width, symbols), (width, width), (symbols, width), (width, 1), (symbols, 1))
        weights = [0.05 * rng.normal(size=s) if s[1] > 1 else np.zeros(s) for s in shapes]
        memory = [np.zeros_like(w) for w in weights]
        smooth, state, out, at = 20 * np.log(symbols), np.zeros((width, 1)), [], 0
        for step in range(1, steps + 1):
            x, y = text[at : at + 20], text[at + 1 : at + 21]
            loss, grads, state = _through_time(weights, x, y, state)
            smooth = 0.99 * smooth + 0.01 * loss
            for w, g, m in zip(weights, grads, memory, strict=True):
                g = g.clip(-clip, clip)
                m += g * g
                w -= rate * g / np.sqrt(m + 1e-8)
            at += 20
            if step % every == 0:
                out.append({"step": step, "epoch": 1, "train_loss": float(smooth),
                            "train_now": float(loss)})  # fmt: skip
        return out, out

    return run


def _through_time(
    weights: list[Array], x: Array, y: Array, state: Array
) -> tuple[float, list[Array], Array]:
    into, over, outof, bias, head = weights
    states, said, loss = [state], [], 0.0
    for letter, target in zip(x, y, strict=True):
        states.append(np.tanh(into[:, [letter]] + over @ states[-1] + bias))
        power = outof @ states[-1] + head
        power = np.exp(power - power.max())
        said.append(power / power.sum())
        loss -= float(np.log(said[-1][target, 0] + 1e-12))
    grads, later = [np.zeros_like(w) for w in weights], np.zeros_like(state)
    for t in range(len(x) - 1, -1, -1):
        error = said[t].copy()
        error[y[t]] -= 1
        grads[2] += error @ states[t + 1].T
        grads[4] += error
        back = (outof.T @ error + later) * (1 - states[t + 1] ** 2)
        grads[0][:, [x[t]]] += back
        grads[1] += back @ states[t].T
        grads[3] += back
        later = over.T @ back
    return loss, grads, states[-1]
