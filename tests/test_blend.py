"""A blend: an experiment made of other runs, taken by every step like any other."""

import functools
import shutil

import numpy as np
import pytest

from competition import decide, pipeline, predict, report, score, submit, train
from competition.core import blending, files, geometry, probabilities, rules
from competition.core.data import arrays, mask_csv, slice_table
from competition.core.experiment import configs, layout, runs, starting
from competition.machine import process
from competition.submit import event_log, members, reports
from competition.train import fold_training
from tests import by_hand, conftest

MEMBERS = ('members=["by-hand", "other"]', "folds=[0, 1, 2, 3, 4]")


@pytest.fixture
def two(tmp_path):
    """A data set with two finished runs: `other` is right where `by-hand` is not."""
    dataset, run = by_hand.scored_run(tmp_path)
    other = starting.start(dataset, "other", configs.load("smoke"))
    for each in (run, other):
        history = "epoch,loss,score,seconds\n" + "".join(
            f"{epoch},0.4,0.5,1\n" for epoch in range(each.config.training.epochs)
        )
        for fold in (0, 1):
            files.write_bytes(each.files.weights(fold), each.name.encode())
            files.write_text(each.files.history(fold), history)
    for scan in by_hand.OFF:
        planes = np.zeros((*by_hand.SHAPE, 2), np.uint8)
        for index in range(2):
            planes[1:4, 4:10, 2 + 6 * index : 8 + 6 * index, index] = 255
        # `other` is right but unsure, so that it must weigh more than half.
        write(run, scan, np.roll(planes, 2, axis=1))
        write(other, scan, np.uint8(planes * 0.6))
    return dataset, run, other


def write(run, scan, probability):
    """Write what the fold of `scan` would have predicted."""
    weights = run.files.weights(by_hand.rows_of(scan)["fold"].iloc[0])
    seen = probabilities.prediction(probability)
    probabilities.write(run.files.oof(scan), seen, digest=files.file_digest(weights))


def start(dataset, *overrides):
    return starting.start(
        dataset, "blend", configs.load("smoke", (*MEMBERS, *overrides))
    )


def test_its_config_is_complete_and_its_folds_are_the_members(two):
    dataset, *_ = two
    blend = start(dataset)
    assert blend.config.folds == (0, 1)
    again = runs.read(blend.files)
    assert again.config.members == ("by-hand", "other")
    assert [each.name for each in runs.members(again)] == ["by-hand", "other"]
    assert runs.trained_folds(blend) == [0, 1]


def test_every_step_takes_it_and_it_beats_both(two):
    dataset, run, _ = two
    run.files.decision.unlink()
    blend = start(dataset)
    trained = train.run(dataset, blend)
    assert (trained["finished"], trained["folds"]) == (True, {})
    assert list(trained["members"]) == ["by-hand", "other"]
    assert predict.run(dataset, blend) == {
        "folds": [0, 1],
        "left": 0,
        "predicted": 0,
        "scans": 3,
    }
    blended = decide.run(dataset, blend)["nested"]["score"]
    assert blended >= decide.run(dataset, run)["nested"]["score"] + 0.01
    scores = score.of_run(dataset, blend, data=dataset.root)
    assert scores["oof"]["score_per_class"] == pytest.approx(1.0)
    report.run(dataset, blend)
    assert blend.files.report.is_file()
    assert not blend.files.oof("x").parent.exists()


def test_the_weights_are_searched_and_stand_in_the_decision(two):
    dataset, *_ = two
    blend = start(dataset)
    decision = decide.run(dataset, blend)
    for weights in decision["weights"].values():
        assert list(weights) == ["by-hand", "other"]
        assert sum(weights.values()) == pytest.approx(1, abs=1e-3)
        assert weights["other"] > 0.5
    read = rules.read(blend.files.decision, blend.classes, blend.config.members)
    assert read[0].weights == tuple(decision["weights"]["bowel"].values())


def test_another_run_may_be_the_gate(two):
    dataset, run, other = two
    path = other.files.oof("case1_day0")
    nowhere = probabilities.prediction(
        np.zeros_like(probabilities.read(path).probability)
    )
    probabilities.write(path, nowhere, digest="x")
    gated = starting.start(
        dataset, "by-hand-gated", configs.load("smoke", ('gate=["other"]',))
    )
    shutil.copytree(run.files.fold(0).parent, gated.files.root, dirs_exist_ok=True,
                    ignore=shutil.ignore_patterns("*.json"))  # fmt: skip
    assert [each.name for each in runs.members_and_gates(gated)] == [
        "by-hand-gated",
        "other",
    ]
    seen = blending.out_of_fold(gated, "case1_day0")
    rule = [rules.Rule(gate=(0, 0.0, 0.5))] * 2
    assert blending.decide(seen, [rules.Rule()] * 2).any()
    assert not blending.decide(seen, rule).any()


def gate(dataset, *overrides):
    """Start the blend of one run behind another one."""
    wanted = ('members=["by-hand"]', 'gate=["other"]', *overrides)
    return starting.start(dataset, "gated", configs.load("smoke", wanted))


def test_a_run_that_draws_organs_in_empty_slices_gains_by_a_gate(two):
    dataset, run, other = two
    for scan in by_hand.OFF:
        planes = np.zeros((*by_hand.SHAPE, 2), np.uint8)
        for index in range(2):
            planes[1:4, 4:10, 2 + 6 * index : 8 + 6 * index, index] = 255
        coarse = planes.copy()
        coarse[:, ::2] = 0
        write(other, scan, coarse)
        # It was trained on slices with organs: it draws them everywhere, and one of
        # the slices it misses.
        planes[[0, 4]], planes[3] = planes[2], 0
        write(run, scan, planes)
    alone = decide.run(dataset, run)["nested"]["score"]
    without = gate(dataset, "decide.fallback=false")
    gated = decide.run(dataset, without)["nested"]["score"]
    shutil.rmtree(without.files.root)
    blend = gate(dataset)
    decision = decide.run(dataset, blend)
    assert alone + 0.05 < gated < decision["nested"]["score"] - 0.05
    for rule in decision["rules"].values():
        assert rule["gate"] and rule["fallback"]
    scored = score.of_run(dataset, blend, data=dataset.root)["oof"]
    assert scored["score_per_class"] == pytest.approx(decision["in_sample"])
    report.run(dataset, blend)


def about(run, **changes):
    """Change a run's config.json."""
    files.write_json(run.files.config, files.read_json(run.files.config) | changes)


def test_a_missing_run_is_named(two):
    dataset, *_ = two
    with pytest.raises(ValueError, match=r"third.config\.json: not found\. blend uses"):
        starting.start(
            dataset, "blend", configs.load("smoke", ('members=["third", "other"]',))
        )
    blend = start(dataset)
    shutil.rmtree(dataset.run("other").root)
    with pytest.raises(ValueError, match=r"not found\. blend uses the run other"):
        train.run(dataset, blend)


def test_runs_of_other_data_or_classes_are_named(two):
    dataset, _, other = two
    blend = start(dataset)
    about(other, fingerprint="4567")
    with pytest.raises(
        ValueError, match=r"run other cannot be used in blend: .*finger.*4567, not 0123"
    ):
        predict.run(dataset, blend)
    about(other, fingerprint="0123", classes=["bowel"])
    with pytest.raises(
        ValueError, match=r"run other cannot be used in blend: .* other classes"
    ):
        decide.run(dataset, blend)


def test_the_same_folds_in_another_order_are_the_same(two):
    dataset, _, other = two
    blend = start(dataset)
    config = files.read_json(other.files.config)["config"]
    about(other, config={**config, "folds": [1, 0]})
    assert sorted(runs.trained_folds(blend)) == [0, 1]


def test_runs_of_different_folds_are_named(two):
    dataset, _, other = two
    blend = start(dataset)
    other.files.weights(1).unlink()
    with pytest.raises(
        ValueError, match=r"different folds: by-hand \[0, 1\], other \[0\]\. Train"
    ):
        predict.run(dataset, blend)


def test_a_gate_of_other_folds_or_classes_is_refused_before_any_step(two):
    dataset, _, other = two
    config = files.read_json(other.files.config)["config"]
    about(other, config=config | {"folds": [0]})
    fault = r"gated uses the run other, which trains the folds \[0\], not \[0, 1\]: .*"
    with pytest.raises(ValueError, match=rf"{fault}Train other under another `name` w"):
        gate(dataset)
    about(other, config=config, classes=["bowel"])
    with pytest.raises(ValueError, match=r"run other cannot be used in gated: .* clas"):
        gate(dataset)


@pytest.fixture
def given(monkeypatch):
    """What a training would be given, in place of it: (run, fold, seconds)."""
    calls = []

    def spend(dataset, run, fold, limit):
        calls.append((run.name, fold, limit and round(limit.left(), -1)))

    monkeypatch.setattr(fold_training, "train", spend)
    return calls


def test_only_folds_that_are_not_finished_are_trained_and_share_the_time(two, given):
    dataset, run, other = two
    blend = start(dataset, "training.fresh_process=false")
    for each, fold in ((run, 1), (other, 0), (other, 1)):
        each.files.history(fold).unlink()
    trained = train.run(dataset, blend, budget="3h")
    assert given == [("by-hand", 1, 3600), ("other", 0, 5400), ("other", 1, 10800)]
    assert trained["finished"] is False
    assert trained["members"]["by-hand"][0]["finished"] is True
    given.clear()
    train.run(dataset, blend, fold=0)
    assert given == [("other", 0, None)]


def test_a_gate_is_trained_with_its_run_but_not_by_the_run_alone(two, given):
    dataset, _, other = two
    other.files.history(0).unlink()
    wanted = configs.load("smoke", ('gate=["other"]', "training.fresh_process=false"))
    gated = starting.start(dataset, "gated", wanted)
    train.run(dataset, gated)
    assert [call[:2] for call in given] == [("gated", 0), ("gated", 1), ("other", 0)]
    given.clear()
    train.alone(dataset, gated)
    assert [call[:2] for call in given] == [("gated", 0), ("gated", 1)]


def test_members_side_by_side_have_a_process_a_fold_and_gpu(two, monkeypatch):
    dataset, run, other = two
    for each in (run, other):
        each.files.history(1).unlink()
    seen = []
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    monkeypatch.setattr(
        process, "run_all", lambda *given: seen.append([*map(list, given)])
    )
    train.run(dataset, start(dataset), budget="1h")
    ((commands, environments),) = seen
    assert [each["CUDA_VISIBLE_DEVICES"] for each in environments] == ["0", "1"]
    for command, each in zip(commands, (run, other), strict=True):
        assert command[3:7] == ["--run", str(each.files.root), "--fold", "1"]
        assert command[7] == "--budget" and int(command[8][:-1]) >= 3590


def test_a_blend_of_blends_is_refused(two):
    dataset, *_ = two
    start(dataset)
    twice = configs.load("smoke", ('members=["blend", "other"]',))
    with pytest.raises(ValueError, match=r"blend itself\. Name its members .* other"):
        starting.start(dataset, "twice", twice)


def test_predictions_of_another_size_are_an_error(two):
    dataset, _, other = two
    blend = start(dataset)
    cut = probabilities.read(other.files.oof("case2_day0")).probability[:, :9]
    write(other, "case2_day0", cut)
    with pytest.raises(ValueError, match=r"case2_day0: by-hand pred.*, other \(5, 9"):
        decide.run(dataset, blend)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"members": ["a"]}, r"`members`: .*two or more runs, or one and the runs of"),
        ({"members": ["a", "a"]}, r"`members`: .*named twice\. Name each run once"),
        ({"gate": ["a", "a"]}, r"`gate`: .*named twice\. Name each run once"),
    ],
)
def test_one_run_or_the_same_twice_is_no_blend(changes, fault):
    with pytest.raises(ValueError, match=fault):
        configs.load("smoke", tuple(f"{k}={v}" for k, v in changes.items()))


OF_SMALL = "slices=[0]", "geometry.height=24", "training.epochs=1", "model.widths=[4]"
OVERRIDES = (*conftest.TINY, *(f"small:{each}" for each in OF_SMALL))


@pytest.fixture(scope="module")
def blended(finished, tmp_path_factory):
    """A blend of the finished run, and of an experiment that is trained with it.

    Gives its job, the results, and what would run it again.
    """
    job, _ = finished
    work = tmp_path_factory.mktemp("blended")
    shutil.copytree(job.dataset.root, work / job.dataset.root.name)
    experiment = work / "both.toml"
    experiment.write_text('members = ["smoke", "small"]\n')
    (work / "small.toml").write_text('intensity = "scan"\n')
    asked = dict(data=job.data, work=work, overrides=OVERRIDES)
    call = functools.partial(pipeline.run, str(experiment), **asked, truth=job.truth)
    results = call()
    return conftest.open_job(str(experiment), **asked), results, call


def test_run_on_a_blend_trains_its_members_and_makes_a_valid_submission(blended):
    job, results, _ = blended
    small = results["train"]["members"]["small"]
    assert {k: fold["epochs"] for k, fold in small.items()} == {0: 1, 1: 1}
    config = runs.members(job.run)[1].config
    assert (config.intensity, config.slices) == ("scan", (0,))
    assert (config.geometry.height, config.geometry.width) == (24, 32)
    assert results["validate"]["ok"] is True
    assert results["submit"]["folds"] == [0, 1]
    assert results["score"]["submission"]["score_per_class"] is not None
    assert layout.RunFiles(job.run.files.root).report.is_file()


def test_a_blend_run_again_repeats_nothing(blended):
    job, results, call = blended
    root = job.dataset.root / "runs"
    kinds = {".h5", ".npz", ".csv"}
    made = [path for path in root.rglob("*") if path.suffix in kinds]
    before = {path: path.stat().st_mtime_ns for path in made}
    assert call()["score"] == results["score"]
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_the_folders_of_blend_and_members_are_enough_to_submit(blended, tmp_path):
    job, *_ = blended
    moved = tmp_path / "runs"
    shutil.copytree(job.run.files.root.parent, moved)
    out = tmp_path / "submission.csv"
    pipeline.submit(moved / "both", data=job.data, out=out)
    assert out.read_bytes() == job.run.files.submission.read_bytes()
    again = submit.run(
        runs.read(layout.RunFiles(moved / "both")), data=job.data, out=out
    )
    assert again["scans"] > 0


def test_a_gated_blend_decides_out_of_fold_as_it_submits(blended, tmp_path):
    job, *_ = blended
    dataset = layout.DatasetFiles(tmp_path / job.dataset.root.name)
    shutil.copytree(job.dataset.root, dataset.root)
    wanted = configs.load("smoke", ('members=["smoke"]', 'gate=["small"]'))
    gated = starting.start(dataset, "gated", wanted)
    scan = slice_table.held_out_scans(slice_table.read(dataset), [0])[0]
    # With one fold left, a submission asks the networks that held the scan out.
    for source in runs.members_and_gates(gated):
        source.files.weights(1).unlink()
    seen = blending.out_of_fold(gated, scan)
    log = event_log.EventLog(tmp_path / "submit.log")
    plain = [rules.Rule()] * len(gated.classes)
    loaded = members.LoadedMembers(gated, plain, reports.Reports(log.warn))
    volume = arrays.Arrays(dataset).scan(scan)
    grid = geometry.Grid(volume.shape[1:])
    received, _ = loaded.predict(volume, grid, loaded.all_networks)
    levels = np.quantile(seen.gate.probability.max(axis=(1, 2)), [0.3, 0.6]) / 255
    threshold = float(np.quantile(seen.members[0].probability, 0.95) / 255)
    opened = 0
    for level in levels:
        rule = rules.Rule(threshold, gate=(2, float(level), 0.0), fallback=True)
        chosen = [rule] * len(gated.classes)
        decided = blending.decide(seen, chosen)
        np.testing.assert_array_equal(blending.decide(received, chosen), decided)
        opened += decided.any()
    assert opened


def test_a_member_that_weighs_everything_submits_as_alone(blended, tmp_path):
    job, *_ = blended
    moved = tmp_path / "runs"
    shutil.copytree(job.run.files.root.parent, moved)
    smoke = layout.RunFiles(moved / "smoke")
    decision = files.read_json(smoke.decision)
    weights = {name: {"smoke": 1.0, "small": 0.0} for name in job.run.classes}
    files.write_json(layout.RunFiles(moved / "both").decision, decision | {
        "weights": weights,
    })  # fmt: skip
    rows = []
    for name in ("smoke", "both"):
        out = tmp_path / name / "submission.csv"
        pipeline.submit(moved / name, data=job.data, out=out)
        rows.append(mask_csv.read(out, "predicted"))
    assert rows[0] == rows[1]
