"""Networks that the tests of this folder load and compile once."""

import functools

import pytest

from competition.net.inference import scan_predictor, trained_network

LOAD, SCAN_PREDICTOR = trained_network.load, scan_predictor.ScanPredictor
NETWORKS, PREDICTORS = {}, {}


@pytest.fixture(scope="module", autouse=True)
def shared_networks():
    """Load the same weights, and compile the same members, once for all tests."""

    def load(run, fold):
        path = run.files.weights(fold)
        content = path.read_bytes() if path.is_file() else None
        key = content, run.config, run.classes, run.fingerprint, fold
        if key not in NETWORKS:
            NETWORKS[key] = LOAD(run, fold)
        return NETWORKS[key]

    @functools.wraps(SCAN_PREDICTOR)
    def predictor(members, *, warn, alive):
        key = tuple((m.name, m.config, *m.networks.items()) for m in members)
        if key not in PREDICTORS:
            PREDICTORS[key] = SCAN_PREDICTOR(members, warn=warn, alive=alive)
        return PREDICTORS[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trained_network, "load", load)
        patch.setattr(scan_predictor, "ScanPredictor", predictor)
        yield
