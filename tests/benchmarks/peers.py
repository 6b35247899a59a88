"""The methods we compare with, each trained on the same cells and tuned on nothing but them."""

from __future__ import annotations

import time
from itertools import product
from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pandas as pd
from references import Task, common_genes, inner_folds, log_normalize, seen_genes, stack_counts, task_of
from scoring import Prediction, score, trainable_classes
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import LinearSVC

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from references import Reference
    from scipy import sparse
    from sklearn.base import ClassifierMixin

    Options = dict[str, Any]
    Method = Callable[[Task, Options, int], dict[str, Prediction]]
    Peer = Callable[..., dict[str, Prediction]]

GENES = ["shared", "filled"]
N_COPIES = 3
"""Augmented cells for every training cell."""
CHOSEN: dict[int, Options] = {}
"""Options found before, so that a second seed or a related method does not search again."""


def grid(**values: list[Any]) -> list[Options]:
    """Return every combination of the values."""
    return [dict(zip(values, chosen, strict=True)) for chosen in product(*values.values())]


def inner_score(truth: np.ndarray, predicted: np.ndarray, train: Sequence[Reference]) -> float:
    """Return the macro-F1 on the cells whose class the inner training cells hold."""
    asked = np.isin(truth, trainable_classes(np.concatenate([one.labels for one in train])))
    return score(truth[asked], predicted[asked]).macro_f1 if asked.any() else np.nan


def choose(method: Method, train: Sequence[Reference], genes: np.ndarray, options: list[Options]) -> Options:
    """Return the options with the best mean macro-F1 over inner folds of the training cells."""
    if all(np.array_equal(one.genes, genes) for one in train):
        options = [one for one in options if one["genes"] == GENES[0]]
    question = method.__name__, genes.tobytes(), *(one.counts.data.tobytes() for one in train)
    answer = hash(question)
    if answer not in CHOSEN:
        CHOSEN[answer] = search(method, train, genes, options)
    return CHOSEN[answer]


def search(method: Method, train: Sequence[Reference], genes: np.ndarray, options: list[Options]) -> Options:
    """Find the rule for genes with the first settings, then the settings with that rule."""
    first = [
        next(one for one in options if one["genes"] == rule) for rule in dict.fromkeys(one["genes"] for one in options)
    ]
    rule = best_of(method, train, genes, first)["genes"]
    return best_of(method, train, genes, [one for one in options if one["genes"] == rule])


def best_of(method: Method, train: Sequence[Reference], genes: np.ndarray, options: list[Options]) -> Options:
    """Try every option on every inner fold."""
    if len(options) == 1:
        return options[0]
    scores = []
    for rest, held in inner_folds(train, seed=0):
        common = np.intersect1d(held.genes, genes)
        held_counts = held.counts[:, pd.Index(held.genes).get_indexer(common)]
        tasks = {rule: task_of(rest, held_counts, common, rule=rule) for rule in {one["genes"] for one in options}}
        predicted = [next(iter(method(tasks[one["genes"]], one, 0).values())).labels for one in options]
        scores.append([inner_score(held.labels, labels, rest) for labels in predicted])
    return options[int(np.nanmean(scores, axis=0).argmax())]


def tuned(method: Method, options: list[Options]) -> Peer:
    """Turn a method into a peer that chooses its options from the training cells alone."""

    def peer(
        train: Sequence[Reference], counts: sparse.csr_matrix, genes: np.ndarray, *, seed: int
    ) -> dict[str, Prediction]:
        chosen = choose(method, train, genes, options)
        return method(task_of(train, counts, genes, rule=chosen["genes"]), chosen, seed)

    return peer


def written(options: Options) -> str:
    """Return the options as one line."""
    return " ".join(f"{key}={value}" for key, value in options.items())


def fit_and_predict(name: str, model: ClassifierMixin, task: Task, options: Options) -> dict[str, Prediction]:
    """Fit a scikit-learn classifier on expression and predict the test cells."""
    start = time.perf_counter()
    model.fit(task.x, task.labels)
    fitted = time.perf_counter()
    labels, confidence = named(model, task.test)
    seconds = fitted - start, time.perf_counter() - fitted
    return {name: Prediction(labels, confidence, *seconds, options=written(options))}


def named(model: ClassifierMixin, x: np.ndarray | sparse.csr_matrix) -> tuple[np.ndarray, np.ndarray | None]:
    """Return labels, and their probabilities where the model has them."""
    if not hasattr(model, "predict_proba"):
        return model.predict(x), None
    proba = model.predict_proba(x)
    return model.classes_[proba.argmax(axis=1)], proba.max(axis=1)


def logistic_model(options: Options) -> LogisticRegression:
    """Build a multinomial logistic regression with an L2 penalty."""
    return LogisticRegression(C=options["C"], class_weight=options["class_weight"], max_iter=1000)


def logistic(task: Task, options: Options, seed: int) -> dict[str, Prediction]:
    """L2 logistic regression on all common genes."""
    return fit_and_predict("logistic", logistic_model(options), task, options)


def svm(task: Task, options: Options, seed: int) -> dict[str, Prediction]:
    """Linear support vector machine on all common genes."""
    model = LinearSVC(C=options["C"], class_weight=options["class_weight"], random_state=seed, max_iter=5000)
    return fit_and_predict("svm", model, task, options)


def knn(task: Task, options: Options, seed: int) -> dict[str, Prediction]:
    """Nearest training cells in the principal components of the training cells."""
    start = time.perf_counter()
    x, test = task.components
    model = KNeighborsClassifier(options["k"]).fit(x, task.labels)
    fitted = time.perf_counter()
    labels, confidence = named(model, test)
    seconds = fitted - start, time.perf_counter() - fitted
    return {"knn": Prediction(labels, confidence, *seconds, options=written(options))}


def majority(task: Task, options: Options, seed: int) -> dict[str, Prediction]:
    """Every cell is of the most frequent class."""
    names, n_cells = np.unique(task.labels, return_counts=True)
    n = task.test.shape[0]
    share = np.full(n, n_cells.max() / n_cells.sum())
    return {"majority": Prediction(np.full(n, names[n_cells.argmax()]), share, 0.0, 0.0)}


def singler(task: Task, options: Options, seed: int) -> dict[str, Prediction]:
    """SingleR: rank correlation with the training cells over pairwise markers, refined among close labels."""
    from singler import classify_single, train_single

    start = time.perf_counter()
    genes, labels = task.genes.tolist(), task.labels.tolist()
    how = {key: options[key] for key in ("marker_method", "num_de")}
    blocks = {"marker_args": {"block": task.group}} if options["blocked"] else {}
    reference = train_single(task.x.T.tocsc(), labels, genes, genes, **how, **blocks)
    fitted = time.perf_counter()
    result = classify_single(task.test.T.tocsc(), reference)
    seconds = fitted - start, time.perf_counter() - fitted
    return {"singler": Prediction(np.array(result["best"], str), None, *seconds, options=written(options))}


def celltypist_of(task: Task, rule: str, seed: int) -> dict[str, Prediction]:
    """CellTypist with its recommended feature selection, cell by cell and after majority voting."""
    import celltypist as ct

    ct.logger.set_level("ERROR")
    start = time.perf_counter()
    how = {"feature_selection": True, "n_jobs": 1, "random_state": seed}
    model = ct.train(task.x, labels=task.labels, genes=task.genes, **how)
    fitted = time.perf_counter()
    test = ad.AnnData(task.test, var=pd.DataFrame(index=task.genes))
    single = ct.annotate(test.copy(), model=model)
    named = time.perf_counter()
    voted = ct.annotate(test, model=model, majority_voting=True)
    done = time.perf_counter()
    confidence = single.probability_matrix.max(axis=1).to_numpy()
    labels, votes = (
        result.predicted_labels[column].to_numpy(str)
        for result, column in ((single, "predicted_labels"), (voted, "majority_voting"))
    )
    return {
        "celltypist": Prediction(labels, confidence, fitted - start, named - fitted, options=f"genes={rule}"),
        "celltypist_voting": Prediction(votes, None, fitted - start, done - named, options=f"genes={rule}"),
    }


def celltypist(
    train: Sequence[Reference], counts: sparse.csr_matrix, genes: np.ndarray, *, seed: int
) -> dict[str, Prediction]:
    """CellTypist on the training sets and genes that suit a logistic regression."""
    chosen = choose(logistic, train, genes, LOGISTIC_OPTIONS)
    return celltypist_of(task_of(train, counts, genes, rule=chosen["genes"]), chosen["genes"], seed)


def logistic_augmented(
    train: Sequence[Reference], counts: sparse.csr_matrix, genes: np.ndarray, *, seed: int
) -> dict[str, Prediction]:
    """Logistic regression on cells made by our depth augmentation, with the options of the plain one."""
    from scbert_tools.data.augment import Augmentation, Kin, augment

    chosen = choose(logistic, train, genes, LOGISTIC_OPTIONS)
    used, common = common_genes(train, genes, seen_genes(counts, genes), rule=chosen["genes"])
    task = task_of(train, counts, genes, rule=chosen["genes"])
    raw = stack_counts(used, common)
    kin = Kin(pd.factorize(pd.Series(task.group) + "/" + pd.Series(task.labels))[0])
    rows = np.tile(np.arange(raw.shape[0]), N_COPIES)
    made = augment(raw, rows, kin=kin, strength=Augmentation(), rng=np.random.default_rng(seed))
    larger = Task(log_normalize(made), task.labels[rows], task.test, common, task.group[rows])
    return fit_and_predict("logistic_augmented", logistic_model(chosen), larger, chosen)


LOGISTIC_OPTIONS = grid(genes=GENES, class_weight=["balanced", None], C=[1.0, 0.1])
SINGLER_OPTIONS = grid(genes=GENES, marker_method=["auc"], num_de=[10, 30], blocked=[True, False])
SINGLER_OPTIONS += grid(genes=GENES, marker_method=["classic"], num_de=[None], blocked=[False])

PEERS: dict[str, Peer] = {
    "logistic": tuned(logistic, LOGISTIC_OPTIONS),
    "svm": tuned(svm, grid(genes=GENES, class_weight=["balanced", None], C=[1.0, 0.01])),
    "knn": tuned(knn, grid(genes=GENES, k=[5, 15, 30])),
    "majority": tuned(majority, grid(genes=GENES[:1])),
    "singler": tuned(singler, SINGLER_OPTIONS),
    "celltypist": celltypist,
    "logistic_augmented": logistic_augmented,
}
RANDOM = {"celltypist", "logistic_augmented"}
"""Peers that depend on the seed; the others run once."""
