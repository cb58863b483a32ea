"""A run that may be bundled, and a Kaggle to send it to."""

import dataclasses
import importlib.util
import shutil

import pytest

from competition import opening, pipeline
from competition.core import files
from competition.kernel import build, bundles
from competition.kernel.upload import client
from tests import conftest
from tests.kernel import stand_in


@pytest.fixture(scope="session")
def prepared(tiny_phantom, tmp_path_factory):
    """A work folder with a run whose weights nobody needs to open."""
    work = tmp_path_factory.mktemp("bundled") / "work"
    asked = dict(data=tiny_phantom / "competition", work=work)
    pipeline.prepare(**asked)
    _, run = opening.open_experiment("smoke", **asked, overrides=conftest.TINY)
    for fold in run.config.folds:
        files.write_bytes(run.files.weights(fold), b"weights of fold %d" % fold)
        files.write_bytes(run.files.fold(fold) / "state.npz", b"not to be sent")
    files.write_json(run.files.decision, {"rules": {}, "key": "0"})
    files.write_json(run.files.root / "submit.log", {"submission": str(work)})
    return work


@pytest.fixture
def bundle(prepared, tmp_path):
    """A run in a work folder of its own, to be bundled."""
    shutil.copytree(prepared, tmp_path / "work")
    return bundles.find("smoke", work=tmp_path / "work")


@pytest.fixture
def built(bundle):
    """The bundle of a run, with the submitting kernel built."""
    build.run(bundle, user=stand_in.USER)
    return bundle


@pytest.fixture
def training(bundle):
    """The bundle of a run, with the training kernel built."""
    bundle = dataclasses.replace(bundle, what="train")
    options = build.BundleOptions(overrides=conftest.TINY)
    build.run(bundle, user=stand_in.USER, options=options)
    return bundle


@pytest.fixture
def kaggle(monkeypatch, tmp_path):
    """A Kaggle that plays along; its requests and answers are open to the test."""
    if importlib.util.find_spec("kaggle") is None:
        pytest.skip("Kaggle's client is not installed")
    home = tmp_path / "home"
    home.mkdir()
    for name in ("KAGGLE_API_TOKEN", "HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {
        "HOME": home,
        "KAGGLE_CONFIG_DIR": home,
        "KAGGLE_API_ENVIRONMENT": "TEST",
        "KAGGLE_USERNAME": stand_in.USER,
        "KAGGLE_KEY": stand_in.KEY,
        "NO_PROXY": "localhost",
    }.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setattr(client, "PAUSES_S", (0, 0))
    monkeypatch.setattr(client, "POLL_EVERY_S", 0.0)
    with stand_in.serve() as playing:
        if playing is None:
            pytest.skip(f"another program listens on port {stand_in.PORT}")
        yield playing
