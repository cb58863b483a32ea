"""What an experiment needs, from the amounts of data and the time of a step."""

import contextlib
import dataclasses
import re
import shutil

import pytest

from competition import pipeline
from competition.core.data import slice_table
from competition.core.experiment import configs
from competition.machine import gpus
from competition.net import devices, needs, timing
from competition.net.input import training_samples
from competition.net.networks import build
from competition.study import amounts, plan
from competition.study.plan import estimates, limits
from tests import conftest

# A tenth of a second a step, a hundredth a slice; 0.1 GB of weights, 8 GB for a batch.
MEASURED = timing.Timing(
    device="a device",
    parameters=1000,
    needs=needs.Needs(10**8, 3 * 10**8, memory=8 * 10**9, fixed=10**9),
    scans=0,
    views=2,
    step=0.1,
    slice=0.01,
)
DATA = amounts.Amounts(slices=1000, positives=400, scans=10, pixels=10**6, folds=5)


def load(*overrides):
    wanted = "training.batch=10", "training.epochs=4", "training.score_scans=2"
    return configs.load("unet", (*wanted, *overrides))


@pytest.mark.parametrize(
    ("overrides", "steps"),
    [
        ((), 80),
        (('folds=["all"]', "training.keep=last"), 100),
        # 320 slices with an organ, and a fifth of the 480 without.
        (("sampling.slices=positives", "sampling.empties=0.2"), 41),
        # 800 slices of 320 x 384 in patches of 16 x 64 x 96.
        (("model.architecture=unet_3d", "model.patch=[16, 64, 96]"), 80),
        (("training.batch=100000",), 1),
    ],
)
def test_the_steps_of_an_epoch(overrides, steps):
    assert amounts.steps(load(*overrides), DATA) == steps


def test_the_amounts_of_a_folder_are_those_of_its_prepared_data(finished):
    job, _ = finished
    found = amounts.of(job.data)
    table = slice_table.read(job.dataset)
    assert found.slices == len(table)
    assert found.scans == len(slice_table.scans(table))
    assert found.pixels == (table["height"] * table["width"]).sum()
    assert found.folds == table["fold"].nunique()
    assert 0 < found.positives < found.slices
    assert found.classes == 3


def test_what_has_a_fault_is_not_counted(tmp_path, tiny_phantom):
    data = tmp_path / "data"
    shutil.copytree(tiny_phantom / "competition", data)
    before = amounts.of(data)
    slice = next(data.glob("train/case*/case*/scans/*.png"))
    slice.rename(slice.with_name("slice_1.png"))
    with (data / "train.csv").open("a") as table:
        table.write("case1_day0_slice_0001,stomach\n")
    found = amounts.of(data)
    assert found.slices == before.slices - 1 and found.positives == before.positives


def test_a_folder_without_training_data_is_an_error(tmp_path):
    with pytest.raises(ValueError, match=r"with train\.csv and slices in train/"):
        amounts.of(tmp_path)


def test_the_time_is_that_of_steps_scores_and_predictions(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    run = estimates.run("unet", load(), DATA, MEASURED)
    # 4 epochs of 80 steps; in each 2 scans of 100 slices are scored, in one view.
    assert run.fold == pytest.approx(4 * 80 * 0.1 + 4 * 200 * 0.005)
    assert run.seconds == pytest.approx(5 * run.fold + 1000 * 0.01)
    assert run.submission == pytest.approx(amounts.TEST_SLICES * 5 * 0.01)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    beside = estimates.run("unet", load(), DATA, MEASURED)
    assert beside.seconds == pytest.approx(3 * run.fold + 500 * 0.01)


def test_across_another_axis_its_slices_are_counted(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    config = load("axis=y", "intensity=scan")
    # Scans of as many slices of 60 x 60 pixels have 60 slices across y.
    data = dataclasses.replace(DATA, pixels=DATA.slices * 60 * 60)
    across = estimates.run("unet", config, data, MEASURED)
    step = across.epochs * across.steps * MEASURED.step
    scored = across.epochs * 2 * 60 * 0.005
    assert across.fold == pytest.approx(step + scored)
    assert across.seconds == pytest.approx(5 * across.fold + data.scans * 60 * 0.01)
    # A scan of the competition has 144 or 80 slices of about 288 x 288 pixels.
    assert across.submission == pytest.approx(
        amounts.TEST_SLICES * 5 * 0.01 * 274 * 288 / 38_496, rel=0.01
    )


def test_a_run_on_every_case_scores_and_predicts_nothing(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    wanted = load('folds=["all"]', "training.keep=last")
    run = estimates.run("unet", wanted, DATA, MEASURED)
    assert run.seconds == run.fold == pytest.approx(4 * 100 * 0.1)


def planned(*, slow=1.0, **changes):
    measured = dataclasses.replace(MEASURED, **changes)
    if measured.step is not None:
        measured = dataclasses.replace(measured, step=0.1 * slow, slice=0.01 * slow)
    run = estimates.run("unet", load(), DATA, measured)
    return estimates.whole("a device", [run], DATA)


def test_what_fits_has_no_problems(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert limits.problems(planned(), "1h") == []


@pytest.mark.parametrize(
    ("plan", "budget", "message"),
    [
        (
            lambda: planned(step=None, slice=None),
            None,
            "unet: this device has no memory for a batch of 10. Set training.batch=5 "
            "with training.accumulate=2",
        ),
        (
            lambda: planned(needs=needs.Needs(1, 1, 22 * 10**9, fixed=2 * 10**9)),
            None,
            "unet: about 22.0 GB of memory, more than the 16.0 GB of Kaggle's T4. Set "
            "training.batch=7 with training.accumulate=2",
        ),
        (planned, "1m40s", "fits with folds=[0, 1] or training.epochs cut to 47%"),
        (lambda: planned(slow=100), None, "the submission takes 31h27m here, and Kagg"),
        (
            lambda: planned(needs=needs.Needs(10**9, 3 * 10**9, 1)),
            None,
            "the outputs take up to 39.0 GB, and /kaggle/working has 20.0 GB",
        ),
    ],
    ids=["no memory", "no T4", "budget", "submission", "disk"],
)
def test_what_does_not_fit_is_said_with_what_would(monkeypatch, plan, budget, message):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert any(message in each for each in limits.problems(plan(), budget))


@pytest.mark.parametrize(
    "toml", ["", 'members = ["unet", "smoke"]', 'gate = ["smoke"]']
)
def test_what_is_to_be_set_is_an_override_that_commands_take(
    tmp_path, monkeypatch, toml
):
    experiment = tmp_path / "mine.toml"
    experiment.write_text(toml)
    full = dataclasses.replace(MEASURED, step=None, slice=None)
    monkeypatch.setattr(timing, "measure", lambda *given, **sizes: full)
    found = " ".join(plan.run(str(experiment))["problems"])
    wanted = tuple(re.findall(r"\S*training\.(?:batch|accumulate)=\d+", found))
    configured = plan.trained(str(experiment), wanted)
    assert len(wanted) == 2 * len(configured)
    assert {each.training.accumulate for each in configured.values()} == {2}


def test_scans_that_this_device_keeps_do_not_count_for_a_t4_that_leaves_them():
    measured = dataclasses.replace(MEASURED, scans=14 * 10**9)
    run = estimates.run("unet", load(), DATA, measured)
    assert (run.memory, run.on_t4) == (22 * 10**9, 8 * 10**9)
    assert run.fitting == 21, "15 GB beside the weights, at 0.7 GB a sample"
    whole = estimates.whole("a device", [run], DATA)
    assert not any("Kaggle's T4" in each for each in limits.problems(whole, None))


@pytest.mark.parametrize(
    ("overrides", "gigabytes"),
    [
        # Two processes, of which a T4 holds no scans of 14 GB by itself.
        ((), 2 * 2.6),
        (("input.place=device",), 2 * (2.6 + 14)),
        (("input.place=device", "training.gpus=one"), 2.6 + 14),
        (("input.place=device", "folds=[0]"), 2.6 + 14),
    ],
)
def test_scans_that_each_process_gathers_count_for_kaggles_host(overrides, gigabytes):
    measured = dataclasses.replace(MEASURED, scans=14 * 10**9)
    run = estimates.run("unet", load(*overrides), DATA, measured)
    assert run.host == pytest.approx(gigabytes * 1e9)
    whole = estimates.whole("a device", [run], DATA)
    said = "about 33.2 GB of the host's memory, scans included, more than the 30.0 GB"
    found = [said in each for each in limits.problems(whole, None)]
    assert any(found) == (gigabytes > 30)


def test_the_members_and_gates_of_a_blend_are_planned(tmp_path, monkeypatch):
    blend = tmp_path / "blend.toml"
    blend.write_text('members = ["unet", "small"]\ngate = ["smoke", "trained before"]')
    (tmp_path / "small.toml").write_text("[training]\nbatch = 8\n")
    assert list(plan.trained(str(blend))) == ["unet", "small", "smoke"]
    assert list(plan.trained("smoke")) == ["smoke"]
    given = []

    def measure(config, classes, *, slices, depth):
        given.append((config.training.batch, classes, slices))
        return MEASURED

    monkeypatch.setattr(timing, "measure", measure)
    result = plan.run(str(blend), overrides=("small:training.batch=4",), budget="1h")
    assert [run["name"] for run in result["runs"]] == ["unet", "small", "smoke"]
    assert [batch for batch, *_ in given] == [
        16,
        4,
        configs.load("smoke").training.batch,
    ]
    assert set(given[0][1:]) == {3, 30_797}
    plan.run(str(blend), folds=2)
    assert given[-1][-1] == amounts.REAL.slices / 2
    assert result["seconds"] == sum(run["seconds"] for run in result["runs"])


def test_a_blend_of_trained_runs_has_nothing_to_plan(tmp_path):
    blend = tmp_path / "blend.toml"
    blend.write_text('members = ["first before", "second before"]')
    with pytest.raises(ValueError, match=r"blend\.toml: .* There is nothing to plan"):
        plan.run(str(blend))


def test_the_first_lines_of_a_run_tell_its_steps():
    prepared = {"classes": ("a",), "fingerprint": "0", "folds": 4, "slices": 400}
    (line,) = plan.preview("unet", (), prepared)
    assert line == "unet: 4 folds of 20 epochs, each of about 18 batches of 16"
    # 10 scans of 40 slices of 60 x 60 pixels have 600 slices across y.
    sizes = [(40 * 60 * 60 * 2, 40 * 60 * 60)] * 10
    across = "axis=y", "intensity=scan"
    (line,) = plan.preview("unet", across, {**prepared, "sizes": sizes})
    assert line == "unet: 4 folds of 20 epochs, each of about 28 batches of 16"


def test_a_network_is_timed_on_random_slices():
    tiny = configs.load("smoke", (*conftest.TINY, "sampling.slices=positives"))
    measured = timing.measure(tiny, 3, slices=1000, depth=100)
    assert measured.parameters == build.build(tiny, 3).count_params()
    assert 0 < measured.step < 5 and 0 < measured.slice < 5
    assert 0 < measured.needs.fixed < measured.needs.memory


def test_where_each_gpu_trains_a_fold_one_is_timed_alone(monkeypatch):
    """JAX would share a batch among all, which 3 do not even divide."""
    three = devices.Device("gpu", 3, 8.0, "jax")
    monkeypatch.setattr(devices, "find", lambda: three)
    monkeypatch.setattr(gpus, "visible", lambda: ["0", "1", "2"])
    seen = []
    monkeypatch.setattr(
        timing, "_step_seconds", lambda network, config, data: seen.append(config) or 1
    )
    monkeypatch.setattr(timing, "_slice_seconds", lambda member, random, depth: 1)
    monkeypatch.setattr(devices, "shared", lambda gpus, device: seen.append(gpus)
                        or contextlib.nullcontext())  # fmt: skip
    config = configs.load("smoke", ("model.widths=[4]", "training.precision=float32"))
    measured = timing.measure(config, 3, slices=10, depth=100)
    assert seen[0] == "one" and seen[1].training.gpus == "one"
    assert measured.device.startswith("1 of 3 GPU")


def test_a_patch_with_more_voxels_than_the_organs_of_a_scan_is_timed():
    deep = "model.patch=[128, 224, 224]", "training.batch=4"
    config = configs.load("volume", deep)
    scans = timing.RandomScans(config, 3)
    samples = training_samples.TrainingSamples(scans.table, scans, config)
    assert samples.steps >= config.training.accumulate


def test_a_network_without_memory_has_no_time(monkeypatch):
    def full(*given):
        raise RuntimeError("RESOURCE_EXHAUSTED: out of memory")

    monkeypatch.setattr(timing, "_step_seconds", full)
    tiny = configs.load("smoke", conftest.TINY)
    measured = timing.measure(tiny, 3, slices=1000, depth=100)
    assert (measured.step, measured.slice) == (None, None)


def test_a_run_prints_its_steps_before_it_trains(finished, capsys):
    job, _ = finished
    pipeline.run(
        "smoke", data=job.data, work=job.dataset.root.parent, overrides=conftest.TINY
    )
    assert "smoke: 2 folds of 2 epochs, each of about" in capsys.readouterr().err
