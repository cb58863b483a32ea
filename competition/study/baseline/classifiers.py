"""The simple ways: three that cluster, and map clusters to classes; one that learns.

Each is fitted on features (N, F) with truth (N, C) of the training folds and then gives
masks (N, C) for features alone.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

CLUSTERS = 40
# Ward's linkage compares all with all.
LINKED = 3000
SUPPORT = 400

Predict = Callable[[np.ndarray], np.ndarray]


def kmeans(features: np.ndarray, truth: np.ndarray, seed: int) -> Predict:
    """Cluster by K-means."""
    from sklearn.cluster import MiniBatchKMeans

    model = MiniBatchKMeans(CLUSTERS, random_state=seed, n_init=3, batch_size=4096)
    return _clustered(model, features, truth)


def em(features: np.ndarray, truth: np.ndarray, seed: int) -> Predict:
    """Cluster by expectation-maximisation of a Gaussian mixture."""
    from sklearn.mixture import GaussianMixture

    model = GaussianMixture(CLUSTERS, random_state=seed, reg_covar=1e-3, max_iter=60)
    return _clustered(model, features, truth)


def hierarchical(features: np.ndarray, truth: np.ndarray, seed: int) -> Predict:
    """Cluster superpixels agglomeratively; others join the nearest cluster's mean."""
    from sklearn.cluster import AgglomerativeClustering
    from sklearn.neighbors import NearestCentroid

    random = np.random.default_rng(seed)
    some = random.permutation(len(features))[:LINKED]
    scaler = _scaler(features)
    scaled = scaler(features)
    labels = AgglomerativeClustering(CLUSTERS).fit_predict(scaled[some])
    nearest = NearestCentroid().fit(scaled[some], labels)
    chosen = _choose(nearest.predict(scaled), truth)
    return lambda given: chosen[nearest.predict(scaler(given))]


def svm(features: np.ndarray, truth: np.ndarray, seed: int) -> Predict:
    """One support vector machine a class, its radial kernel approximated."""
    from sklearn.kernel_approximation import Nystroem
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import LinearSVC

    scaler = _scaler(features)
    scaled = scaler(features)
    kernel = Nystroem(n_components=SUPPORT, gamma=0.1, random_state=seed).fit(scaled)
    models = [
        make_pipeline(kernel, LinearSVC(random_state=seed, dual=False)).fit(scaled, c)
        for c in truth.T
        if c.any() and not c.all()
    ]
    if len(models) < truth.shape[1]:
        raise ValueError(
            "A support vector machine needs pixels inside and outside of every class "
            "in the training folds. Prepare more cases, or fewer folds."
        )
    return lambda given: np.stack([m.predict(scaler(given)) for m in models], axis=-1)


METHODS: dict[str, Callable[[np.ndarray, np.ndarray, int], Predict]] = {
    "kmeans": kmeans,
    "hierarchical": hierarchical,
    "em": em,
    "svm": svm,
}


def _clustered(model: Any, features: np.ndarray, truth: np.ndarray) -> Predict:
    scaler = _scaler(features)
    model.fit(scaler(features))
    chosen = _choose(model.predict(scaler(features)), truth)
    return lambda given: chosen[model.predict(scaler(given))]


def _scaler(features: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    mean, spread = features.mean(axis=0), features.std(axis=0) + 1e-6
    return lambda given: (given - mean) / spread


def _choose(labels: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Which clusters are which classes (clusters, C): those that raise Dice together.

    For each class the clusters are taken in the order of the share that it has in them.
    """
    members = np.eye(CLUSTERS, dtype=bool)[labels]
    sizes = members.sum(axis=0)
    inside = members.T.astype(float) @ truth
    chosen = np.zeros((CLUSTERS, truth.shape[1]), bool)
    for c in range(truth.shape[1]):
        order = np.argsort(-inside[:, c] / np.maximum(sizes, 1))
        both = inside[order, c].cumsum()
        dice = 2 * both / (sizes[order].cumsum() + max(truth[:, c].sum(), 1))
        chosen[order[: dice.argmax() + 1], c] = dice.max() > 0
    return chosen
