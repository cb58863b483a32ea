"""Other commands take the experiment that was planned by the name `auto` as well."""

import pytest
from typer import testing

from competition.commands import app
from competition.core import files
from competition.core.experiment import runs
from competition.kernel import bundles
from competition.study import baseline, plan, search

PLANNED = """
folds = [0]
[training]
batch = 3
[search.space]
"training.learning_rate" = { low = 1e-4, high = 1e-2, log = true }
"""


@pytest.fixture
def job(finished):
    job, _ = finished
    yield job
    job.dataset.automatic.unlink(missing_ok=True)


def call(job, *arguments):
    asked = ["--data", job.data, "--work", job.dataset.root.parent]
    return testing.CliRunner().invoke(app.app, [*arguments, *map(str, asked)])


BASELINE = "baseline", "kmeans", "--experiment", "auto"
SEARCH = "search", "--experiment", "auto", "--trials", "1"


@pytest.mark.parametrize("arguments", [BASELINE, SEARCH])
def test_without_a_plan_the_command_that_makes_one_is_named(job, arguments):
    error = call(job, *arguments).exception
    assert isinstance(error, ValueError)
    assert "auto.toml" in str(error) and "plan --experiment auto" in str(error)


def test_a_baseline_takes_the_folds_of_the_plan(job, monkeypatch):
    files.write_text(job.dataset.automatic, PLANNED)
    taken = []
    monkeypatch.setattr(
        baseline,
        "run",
        lambda dataset, method, *, experiment: taken.append(experiment) or {},
    )
    call(job, *BASELINE)
    assert taken[0].folds == (0,) and taken[0].training.batch == 3


def test_a_search_begins_with_the_plan(job, monkeypatch):
    files.write_text(job.dataset.automatic, PLANNED)
    taken = []
    monkeypatch.setattr(
        search,
        "run",
        lambda dataset, name, plan, **asked: taken.append((name, plan)) or {},
    )
    call(job, *SEARCH)
    assert taken[0][0] == "auto" and taken[0][1].base.training.batch == 3


def test_plan_counts_the_folds_that_the_data_was_prepared_with(job, monkeypatch):
    taken = []
    monkeypatch.setattr(plan, "run", lambda name, **asked: taken.append(asked) or {})
    call(job, "plan", "--experiment", "smoke")
    assert taken[0]["folds"] == runs.prepared(job.dataset)["folds"]


def test_a_kernel_trains_the_plan(job):
    asked = {"work": job.dataset.root.parent, "data": job.data}
    with pytest.raises(ValueError, match="plan --experiment auto"):
        bundles.find("auto", "train", **asked)
    files.write_text(job.dataset.automatic, PLANNED)
    bundle = bundles.find("auto", "train", **asked)
    assert bundle.experiment == str(job.dataset.automatic)
    assert bundle.name == "auto"
    # A submission is of the run as it was trained.
    assert bundles.find("auto", **asked).experiment == "auto"
