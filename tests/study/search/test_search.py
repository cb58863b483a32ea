"""The search: most of it on a stand-in for training, the rest on tiny networks."""

import csv
import functools
import json
import math
import signal
import subprocess
import sys
import threading
import time

import optuna
import pytest
import sqlalchemy

from competition import opening, pipeline
from competition.core import files, locks
from competition.core.experiment import configs, history, layout, runs
from competition.machine import deadline, process
from competition.study import search
from competition.study.search import space
from tests import conftest

RATE = '"training.learning_rate" = { low = 1e-5, high = 1.0, log = true }'
BEST = 1e-3


def load(folder, *lines, settings="startup = 2\nwarmup = 0", epochs=3):
    """Load a plan with a rate, best at 1e-3, and more lines in its search space."""
    path = folder / "mine.toml"
    table = "\n".join(("[search]", settings, "[search.space]", RATE, *lines))
    path.write_text(table)
    overrides = f"training.epochs={epochs}", "training.score_every=1"
    return search.load(str(path), overrides)


def manifest(folder):
    """Write the manifest of a prepared data set, and no data."""
    dataset = layout.DatasetFiles(folder / "work" / "set")
    about = {"fingerprint": "f00d", "folds": 2, "classes": ["one", "other"]}
    files.write_json(dataset.manifest, about)
    return dataset


@pytest.fixture
def plan(tmp_path):
    return functools.partial(load, tmp_path)


@pytest.fixture
def dataset(tmp_path):
    return manifest(tmp_path)


@pytest.fixture(scope="module", autouse=True)
def quick_commits():
    """SQLite does not wait for the disk; a process that is killed loses nothing."""

    def quicken(connection, _):
        connection.execute("PRAGMA synchronous=OFF")

    sqlalchemy.event.listen(sqlalchemy.Engine, "connect", quicken)
    yield
    sqlalchemy.event.remove(sqlalchemy.Engine, "connect", quicken)


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """A search of twelve trials: (dataset, plan, result)."""
    folder = tmp_path_factory.mktemp("searched")
    dataset = manifest(folder)
    plan = load(folder, '"model.widths" = { choices = [[4, 8], [8, 16]] }')
    return dataset, plan, search.run(dataset, "mine", plan, train=Learner(), count=12)


class Learner:
    """Stands in for `train.watched`: the nearer the rate to the best, the better.

    It notes the trials that it trained and their epochs. `after` is called after every
    epoch, with the number of those that it trained.
    """

    def __init__(self, after=lambda count: None, seconds=0.0):
        self.after = after
        self.seconds = seconds
        self.epochs = []

    def __call__(self, run, *, fold, limit, go_on):
        path = run.files.history(fold)
        rows = history.read(path)
        training = run.config.training
        files.write_bytes(run.files.weights(fold), b"weights")
        files.write_bytes(run.files.fold(fold) / "tensorboard" / "events", b"curves")
        while len(rows) < training.epochs and go_on():
            if limit and not limit.allows(0):
                return
            wrong = abs(math.log10(training.learning_rate / BEST))
            score = 1 / (1 + wrong) - 0.1 / (1 + len(rows)) - 0.01 * fold
            row = history.Epoch(
                epoch=len(rows), loss=0.5, score=score, seconds=self.seconds
            )
            rows.append(row)
            history.write(path, rows)
            self.epochs.append((run.name, fold, len(rows)))
            self.after(len(self.epochs))


def table(dataset, name="mine"):
    with dataset.search(name).table.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_best_values_are_found_and_bad_trials_are_ended_early(searched):
    dataset, _, result = searched
    assert result["complete"] + result["pruned"] == 12
    assert result["pruned"] >= 2
    rows = table(dataset)
    assert [row["trial"] for row in rows] == [str(number) for number in range(12)]
    for row in rows:
        whole = row["state"] == "complete"
        assert (row["epochs"] == "3") == whole, "ended at its first bad score"
    whole = [row for row in rows if row["state"] == "complete"]
    top = max(whole, key=lambda row: float(row["score"]))
    assert result["trial"] == int(top["trial"])
    assert result["score"] == pytest.approx(float(top["score"]))
    assert result["params"]["model.widths"] in ([4, 8], [8, 16])
    assert dataset.search("mine").picture.read_bytes().startswith(b"\x89PNG")


def test_trials_side_by_side_go_on_after_an_interrupt(dataset, plan):
    both = threading.Barrier(2, timeout=60)

    def meet(count):
        both.wait()
        if count > 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        learner = Learner(after=meet)
        search.run(dataset, "mine", plan(), train=learner, count=4, at_once=2)
    begun = {name for name, _, _ in learner.epochs}
    assert begun == {"trial-0", "trial-1"}
    learner = Learner()
    result = search.run(dataset, "mine", plan(), train=learner, count=4, at_once=2)
    assert result["complete"] + result["pruned"] == 4
    # The two that were stopped had two epochs already.
    assert {epoch for name, _, epoch in learner.epochs if name in begun} == {3}


def test_a_whole_number_is_drawn_in_its_steps(dataset, plan):
    wanted = plan('"training.batch" = { low = 4, high = 16, step = 4 }')
    search.run(dataset, "mine", wanted, train=Learner(), count=4)
    assert {row["training.batch"] for row in table(dataset)} <= {"4", "8", "12", "16"}


def test_the_first_epochs_are_spared(dataset, plan):
    wanted = plan(settings="startup = 2\nwarmup = 2")
    search.run(dataset, "mine", wanted, train=Learner(), count=8)
    pruned = [row["epochs"] for row in table(dataset) if row["state"] == "pruned"]
    assert pruned and set(pruned) == {"3"}


def test_the_best_experiment_loads_and_has_its_values(searched):
    dataset, wanted, result = searched
    best = configs.load(result["best"])
    assert best == space.change(wanted, result["params"], source="here")
    assert best.folds == wanted.base.folds, "as the experiment's, not the trial's"
    about = files.read_json(
        dataset.search("mine").trial(f"trial-{result['trial']}").config
    )
    trained = configs.check(about["config"], configs.Config, source="here")
    assert configs.changes(best.model_dump(), trained.model_dump()) == [
        "folds: (0, 1, 2, 3, 4) -> (0,)",
        "model.exclusive: auto -> False",
    ]


def test_only_the_best_trial_keeps_its_weights(searched):
    dataset, _, result = searched
    place = dataset.search("mine")
    owners = [path.parents[1].name for path in place.root.rglob("best.weights.h5")]
    assert owners == [f"trial-{result['trial']}"]
    for number in range(12):
        trial = place.trial(f"trial-{number}")
        assert trial.config.is_file() and trial.history(0).is_file()
        heavy = (trial.fold(0) / "tensorboard").is_dir()
        assert heavy == (number == result["trial"])


def test_called_again_it_does_nothing_and_with_more_trials_it_goes_on(dataset, plan):
    first = search.run(dataset, "mine", plan(), train=Learner(), count=3)
    learner = Learner()
    assert search.run(dataset, "mine", plan(), train=learner, count=3) == first
    assert learner.epochs == []
    search.run(dataset, "mine", plan(), train=learner, count=5)
    assert {name for name, _, _ in learner.epochs} == {"trial-3", "trial-4"}
    at_once = search.run(dataset, "other", plan(), train=Learner(), count=5)
    assert [row | {"seconds": 0} for row in table(dataset)] == [
        row | {"seconds": 0} for row in table(dataset, "other")
    ], "it draws the same however often it was called"
    assert at_once["complete"] + at_once["pruned"] == 5


class Killed(BaseException):
    """Like SIGKILL, it is caught nowhere in the package."""


def test_a_killed_trial_goes_on_after_its_last_epoch(dataset, plan):
    def kill(count):
        if count in (5, 6):
            raise Killed

    learner = Learner(after=kill)
    for _ in range(2):
        with pytest.raises(Killed):
            search.run(dataset, "mine", plan(), train=learner, count=3)
    result = search.run(dataset, "mine", plan(), train=learner, count=3)
    assert result["failed"] == result["unfinished"] == 0
    assert result["complete"] + result["pruned"] == 3
    assert len(set(learner.epochs)) == len(learner.epochs), "no epoch is trained twice"
    assert learner.epochs[3:6] == [("trial-1", 0, number) for number in (1, 2, 3)]
    assert [row["epochs"] for row in table(dataset)][:2] == ["3", "3"]


def test_killed_while_a_trial_is_set_up_again_it_is_set_up_once(
    dataset, plan, monkeypatch
):
    def kill(*arguments, **named):
        if arguments in {(2,)} or named:
            raise Killed

    with pytest.raises(Killed):
        search.run(dataset, "mine", plan(), train=Learner(after=kill), count=2)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(optuna.Study, "tell", kill)
        search.run(dataset, "mine", plan(), train=Learner(), count=2)
    learner = Learner()
    result = search.run(dataset, "mine", plan(), train=learner, count=2)
    assert result["complete"] + result["pruned"] == 2
    assert result["failed"] == result["unfinished"] == 0
    assert learner.epochs[0] == ("trial-0", 0, 3)
    assert len(list(dataset.search("mine").root.glob("trial-*"))) == 2


def test_a_trial_that_fails_is_one_of_the_trials(dataset, plan, capsys):
    def fail(count):
        if count == 4:
            raise ValueError("no memory")

    learner = Learner(after=fail)
    result = search.run(dataset, "mine", plan(), train=learner, count=4)
    assert (result["failed"], result["complete"] + result["pruned"]) == (1, 3)
    assert [row["fault"] for row in table(dataset)] == ["", "no memory", "", ""]
    said = capsys.readouterr().err
    assert "trial 1 failed: training.learning_rate = " in said
    assert "(best 0." in said


def test_a_fault_of_the_machine_leaves_the_trial_to_the_next_call(dataset, plan):
    ended = process.EndedError("No space left on device")

    def fill(count):
        if count == 2:
            raise ended

    learner = Learner(after=fill)
    with pytest.raises(process.EndedError, match="No space left"):
        search.run(dataset, "mine", plan(), train=learner, count=1)
    result = search.run(dataset, "mine", plan(), train=learner, count=1)
    assert result["complete"] == 1 and result["failed"] == 0
    assert learner.epochs == [("trial-0", 0, epoch) for epoch in (1, 2, 3)]
    # A signal, such as that of a kernel without memory, may come at every call.
    ended.status = -9
    learner = Learner(after=fill)
    result = search.run(dataset, "killed", plan(), train=learner, count=1)
    assert result["failed"] == 1


def test_an_experiment_behind_a_gate_is_searched_without_it(dataset, tmp_path):
    path = tmp_path / "gated.toml"
    path.write_text(f'gate = ["gate"]\n[search.space]\n{RATE}\n')
    gated = search.load(str(path), ("training.epochs=1", "training.score_every=1"))
    result = search.run(dataset, "gated", gated, train=Learner(), count=1)
    assert result["complete"] == 1
    best = configs.load(str(dataset.search("gated").best))
    assert best.gate == ("gate",)


def test_a_search_stops_after_three_failures_in_a_row(dataset, plan):
    def fail(count):
        raise ValueError("broken data")

    learner = Learner(after=fail)
    message = "3 trials failed one after the other, the last with: broken data"
    with pytest.raises(ValueError, match=message):
        search.run(dataset, "mine", plan(), train=learner, count=9)
    assert len(learner.epochs) == 3


def test_a_budget_stops_a_trial_that_goes_on_later(dataset, plan, capsys):
    now = [0.0]
    limit = deadline.Deadline(4.5, clock=lambda: now[0])

    def pass_time(count):
        now[0] += 1

    learner = Learner(after=pass_time)
    result = search.run(dataset, "mine", plan(), train=learner, count=3, limit=limit)
    assert (result["complete"], result["unfinished"]) == (1, 1)
    assert "trial 1 stopped in time. Run the same" in capsys.readouterr().err
    result = search.run(dataset, "mine", plan(), train=learner, count=3)
    assert result["unfinished"] == 0
    assert len(set(learner.epochs)) == len(learner.epochs)


def test_all_epochs_of_a_trial_count_for_its_time(dataset, plan):
    learner = Learner(seconds=50.0)
    search.run(dataset, "mine", plan(), train=learner, count=1)
    (row,) = table(dataset)
    assert float(row["seconds"]) == 50.0 * len(learner.epochs)


def test_no_trial_is_begun_that_cannot_end_in_time(dataset, plan, capsys):
    learner = Learner(after=lambda count: time.sleep(0.3))
    search.run(dataset, "mine", plan(), train=learner, count=1)
    begun = len(learner.epochs)
    short = deadline.Deadline(0.5)
    search.run(dataset, "mine", plan(), train=learner, count=3, limit=short)
    assert len(learner.epochs) == begun
    assert "1 of 3 trials, no time for the next one" in capsys.readouterr().err


def test_values_that_were_tried_are_not_trained_again(dataset, tmp_path, capsys):
    path = tmp_path / "mine.toml"
    path.write_text(
        '[search.space]\n"training.learning_rate" = { choices = [1e-2, 1e-3] }'
    )
    learner = Learner()
    result = search.run(dataset, "mine", search.load(str(path)), train=learner, count=6)
    assert result["complete"] == 6
    assert len({name for name, _, _ in learner.epochs}) == 2
    assert result["params"] == {"training.learning_rate": BEST}
    assert len(list(dataset.search("mine").root.rglob("best.weights.h5"))) == 1
    assert "the values of trial" in capsys.readouterr().err


def test_two_folds_are_averaged(dataset, plan):
    learner = Learner()
    wanted = plan(settings="folds = [0, 1]\nstartup = 9")
    result = search.run(dataset, "mine", wanted, train=learner, count=2)
    run = runs.read(dataset.search("mine").trial(f"trial-{result['trial']}"))
    scores = [history.best(history.read(run.files.history(fold))) for fold in (0, 1)]
    assert scores[0] != scores[1]
    assert result["score"] == pytest.approx(sum(scores) / 2)


def test_a_search_of_an_older_version_goes_on(dataset, plan):
    search.run(dataset, "mine", plan(), train=Learner(), count=2)
    study = optuna.load_study(
        study_name=None, storage=f"sqlite:///{dataset.search('mine').study}"
    )
    # All keys were kept, and those of today were not known.
    config = plan().base.model_dump(mode="json", exclude={"axis"})
    config["submit"]["tta"] = ["flip"]
    study.set_user_attr("about", study.user_attrs["about"] | {"config": config})
    search.run(dataset, "mine", plan(), train=Learner(), count=3)
    assert len(table(dataset)) == 3


def test_another_search_under_the_same_name_is_refused(dataset, plan):
    search.run(dataset, "mine", plan(), train=Learner(), count=1)
    message = r"something else:\n  config\.training\.epochs: 3 -> 4\n.*another `name`"
    with pytest.raises(ValueError, match=message):
        search.run(dataset, "mine", plan(epochs=4), train=Learner(), count=1)


def test_a_damaged_study_is_named(dataset, plan):
    place = dataset.search("mine")
    files.write_bytes(place.study, b"no database" * 100)
    with pytest.raises(ValueError, match=r"study\.db: not a study .*another `name`"):
        search.run(dataset, "mine", plan(), train=Learner(), count=1)


def test_a_second_search_at_the_same_time_is_refused(dataset, plan, monkeypatch):
    monkeypatch.setattr(locks, "ENDING_SECONDS", 0.0)

    def again(count):
        with pytest.raises(ValueError, match="another process is searching here"):
            search.run(dataset, "mine", plan(), train=Learner(), count=1)

    learner = Learner(after=again)
    search.run(dataset, "mine", plan(), train=learner, count=1)
    assert learner.epochs


def test_data_must_be_prepared(tmp_path, plan):
    with pytest.raises(ValueError, match=r"manifest\.json: not found"):
        search.run(layout.DatasetFiles(tmp_path), "mine", plan(), train=Learner())


TRAINED = """
folds = [0]
[geometry]
height = 32
width = 32
[augment]
engine = "none"
[training]
batch = 4
epochs = 2
score_every = 1
tensorboard = false
[search]
startup = 1
warmup = 0
[search.space]
"training.learning_rate" = { choices = [1e-2, 1e-12] }
"model.widths" = { choices = [[4, 8], [6, 8]] }
"""


def test_killed_for_real_in_a_trial_it_goes_on(tiny_phantom, tmp_path):
    data, work = tiny_phantom / "competition", tmp_path / "work"
    path = tmp_path / "mine.toml"
    path.write_text(TRAINED)
    pipeline.prepare(data, work=work)
    place = layout.dataset(data, work).search("mine")
    paths = "--data", str(data), "--work", str(work), "--experiment", str(path)
    called = [sys.executable, "-m", "competition", "search", *paths, "--json"]

    def begin(trials):
        command = [*called, "--trials", str(trials)]
        return subprocess.Popen(
            command, cwd=conftest.ROOT, stdout=subprocess.PIPE, encoding="utf-8"
        )

    killed = begin(2)
    history_of_first = place.trial("trial-0").history(0)
    end = time.monotonic() + 120
    while not history.read(history_of_first) and time.monotonic() < end:
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    first = history.read(history_of_first)[:1]
    ended = begin(2)
    result = json.loads(ended.communicate()[0])
    assert ended.returncode == 0
    assert result["complete"] + result["pruned"] == 2
    assert result["failed"] == result["unfinished"] == 0
    assert history.read(history_of_first)[:1] == first, "its first epoch is kept"
    assert result["score"] == max(
        history.best(history.read(each)) for each in place.root.rglob("history.csv")
    )
    best = configs.load(result["best"])
    assert best.model.widths in ((4, 8), (6, 8))
    # The run of the best experiment is one like any other.
    asked = dict(data=data, work=work, name="best")
    _, run = opening.open_experiment(result["best"], **asked)
    assert configs.changes(run.config.model_dump(), best.model_dump()) == [
        "model.exclusive: False -> auto"
    ]
