"""Four simple methods: three cluster and map clusters to classes, one classifies.

Each is fitted on features (N, F) and truth (N, C) of the training folds, and returns a
function from features (N, F) to masks (N, C).
"""

from collections.abc import Callable
from typing import Any

import numpy as np

CLUSTERS = 40
# Ward's linkage compares every sample with every other: memory grows with the square.
_LINKED = 3000
_KERNEL_COMPONENTS = 400

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
    linked = random.permutation(len(features))[:_LINKED]
    scale = _scaler(features)
    scaled = scale(features)
    labels = AgglomerativeClustering(CLUSTERS).fit_predict(scaled[linked])
    nearest = NearestCentroid().fit(scaled[linked], labels)
    classes = _classes_of_clusters(nearest.predict(scaled), truth)
    return lambda given: classes[nearest.predict(scale(given))]


def svm(features: np.ndarray, truth: np.ndarray, seed: int) -> Predict:
    """Fit a support vector machine for each class, with an approximate radial kernel.

    A class needs samples inside and outside of it.
    """
    from sklearn.kernel_approximation import Nystroem
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import LinearSVC

    scale = _scaler(features)
    scaled = scale(features)
    kernel = Nystroem(
        n_components=_KERNEL_COMPONENTS, gamma=0.1, random_state=seed
    ).fit(scaled)
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
    return lambda given: np.stack([m.predict(scale(given)) for m in models], axis=-1)


METHODS: dict[str, Callable[[np.ndarray, np.ndarray, int], Predict]] = {
    "kmeans": kmeans,
    "hierarchical": hierarchical,
    "em": em,
    "svm": svm,
}


def _clustered(model: Any, features: np.ndarray, truth: np.ndarray) -> Predict:
    scale = _scaler(features)
    scaled = scale(features)
    model.fit(scaled)
    classes = _classes_of_clusters(model.predict(scaled), truth)
    return lambda given: classes[model.predict(scale(given))]


def _scaler(features: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    mean, spread = features.mean(axis=0), features.std(axis=0) + 1e-6
    return lambda given: (given - mean) / spread


def _classes_of_clusters(clusters: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return which clusters make up which classes (K, C): those with the best Dice.

    For each class, clusters are added in the order of the class's share in them. A
    class without any sample in the truth gets no cluster.
    """
    members = np.eye(CLUSTERS, dtype=bool)[clusters]
    sizes = members.sum(axis=0)
    inside = members.T.astype(float) @ truth
    chosen = np.zeros((CLUSTERS, truth.shape[1]), bool)
    for c in range(truth.shape[1]):
        order = np.argsort(-inside[:, c] / np.maximum(sizes, 1))
        both = inside[order, c].cumsum()
        dice = 2 * both / (sizes[order].cumsum() + max(truth[:, c].sum(), 1))
        chosen[order[: dice.argmax() + 1], c] = dice.max() > 0
    return chosen
