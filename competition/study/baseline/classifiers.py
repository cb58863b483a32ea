"""Four simple methods: three map clusters to classes, and one is a classifier.

Each is fitted on scaled features (N, F) and truth (N, C) of the training folds, and
returns a function from scaled features (N, F) to masks (N, C).
"""

from collections.abc import Callable

import numpy as np
from sklearn import cluster, mixture, multioutput, neighbors, svm
from sklearn.kernel_approximation import Nystroem
from sklearn.pipeline import make_pipeline

CLUSTERS = 40
# Ward's linkage compares every sample with every other: memory grows with the square.
_LINKED = 3000
_KERNEL_COMPONENTS = 400

Predict = Callable[[np.ndarray], np.ndarray]


def fit(method: str, features: np.ndarray, truth: np.ndarray, seed: int) -> Predict:
    """Fit a method on features (N, F), which are scaled to mean 0 and spread 1."""
    mean, spread = features.mean(axis=0), features.std(axis=0) + 1e-6
    predict = METHODS[method]((features - mean) / spread, truth, seed)
    return lambda given: predict((given - mean) / spread)


def _kmeans(features: np.ndarray, truth: np.ndarray, seed: int) -> Predict:
    """Cluster by K-means."""
    model = cluster.MiniBatchKMeans(
        CLUSTERS, random_state=seed, n_init=3, batch_size=4096
    )
    return _clustered(model.fit(features).predict, features, truth)


def _em(features: np.ndarray, truth: np.ndarray, seed: int) -> Predict:
    """Cluster by expectation-maximisation of a Gaussian mixture."""
    model = mixture.GaussianMixture(
        CLUSTERS, random_state=seed, reg_covar=1e-3, max_iter=60
    )
    return _clustered(model.fit(features).predict, features, truth)


def _hierarchical(features: np.ndarray, truth: np.ndarray, seed: int) -> Predict:
    """Cluster some samples agglomeratively; others join the cluster of nearest mean."""
    linked = features[np.random.default_rng(seed).permutation(len(features))[:_LINKED]]
    labels = cluster.AgglomerativeClustering(CLUSTERS).fit_predict(linked)
    nearest = neighbors.NearestCentroid().fit(linked, labels)
    return _clustered(nearest.predict, features, truth)


def _svm(features: np.ndarray, truth: np.ndarray, seed: int) -> Predict:
    """Fit a support vector machine for each class, with an approximate radial kernel.

    A class needs samples inside and outside of it.
    """
    if not (truth.any(axis=0) & ~truth.all(axis=0)).all():
        raise ValueError(
            "A support vector machine needs pixels inside and outside of every class "
            "in the training folds. Prepare more cases, or fewer folds."
        )
    kernel = Nystroem(n_components=_KERNEL_COMPONENTS, gamma=0.1, random_state=seed)
    machine = svm.LinearSVC(random_state=seed, dual=False)
    model = make_pipeline(kernel, multioutput.MultiOutputClassifier(machine))
    return model.fit(features, truth).predict


METHODS: dict[str, Callable[[np.ndarray, np.ndarray, int], Predict]] = {
    "kmeans": _kmeans,
    "hierarchical": _hierarchical,
    "em": _em,
    "svm": _svm,
}


def _clustered(predict: Predict, features: np.ndarray, truth: np.ndarray) -> Predict:
    """Give each class the clusters with the best Dice; `predict` returns a cluster.

    Clusters are added to a class in the order of the class's share in them. A class
    without any sample in the truth gets no cluster.
    """
    members = np.eye(CLUSTERS)[predict(features)]
    sizes, inside = members.sum(axis=0), members.T @ truth
    chosen = np.zeros((CLUSTERS, truth.shape[1]), bool)
    for c in range(truth.shape[1]):
        order = np.argsort(-inside[:, c] / np.maximum(sizes, 1))
        both = inside[order, c].cumsum()
        dice = 2 * both / (sizes[order].cumsum() + max(truth[:, c].sum(), 1))
        chosen[order[: dice.argmax() + 1], c] = dice.max() > 0
    return lambda given: chosen[predict(given)]
