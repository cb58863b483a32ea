"""The experiment that is planned from data, for a device that is pretended."""

import dataclasses
import pathlib
import threading

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from competition import opening, pipeline
from competition.commands import app
from competition.core import locks
from competition.core.experiment import configs, runs
from competition.machine import cpu, process
from competition.net import devices, timing
from competition.study import amounts, auto
from competition.study.auto import choices, findings, frames, networks, stacks, writing
from tests.study.plan import test_plan

FOUND = findings.Findings(
    amount=amounts.Amounts(
        slices=1000,
        positives=400,
        scans=10,
        pixels=10**6,
        classes=2,
        folds=5,
        slices_y=2600,
        positives_y=1500,
    ),
    cases=10,
    depth=100,
    whole=frames.Frame(260, 310),
    front=frames.Frame(100, 310),
    body=frames.Frame(180, 290),
    saving=0.3,
    anisotropy=2.0,
    outside=0.0,
    exchanged=None,
    thickness=20.0,
    jump=1.0,
    fewest=100,
)


def chosen(*, share=1.0, **found):
    changed = dataclasses.replace(FOUND, **found)
    lines = stacks.of_data(changed, choices.Effort(32, share))
    return {line.key: line.value for line in lines}


@pytest.mark.parametrize(("fewest", "batch"), [(100, 16), (5, 5), (1, 1)])
def test_the_fold_with_the_fewest_slices_has_a_batch(fewest, batch):
    assert chosen(fewest=fewest)["training.batch"] == batch


@pytest.fixture
def device(monkeypatch):
    """Let a step take as many seconds as are set for 32 channels, whole slices."""
    seconds, timed = {}, []

    def measure(config, classes, *, slices, depth):
        full = 32**1.5 * 200 * 280
        now = config.model.widths[0] ** 1.5 * np.prod(config.geometry.trained_size)
        timed.append(config.model.widths[0])
        step = seconds["full"] and seconds["full"] * now / full
        return dataclasses.replace(test_plan.MEASURED, step=step)

    monkeypatch.setattr(timing, "measure", measure)
    return seconds, timed


@pytest.fixture
def dataset(finished):
    job, _ = finished
    yield job.dataset
    job.dataset.automatic.unlink(missing_ok=True)


def test_a_fast_device_trains_the_largest_network(dataset, device):
    device[0]["full"] = 0.01
    config = configs.load(str(auto.write(dataset, "10h")))
    assert config.model.widths[0] == 32
    assert config.geometry.box == "body" and config.geometry.fit == "pad"
    assert len(config.folds) == runs.prepared(dataset)["folds"]
    assert device[1] == [32]


def test_a_slow_one_a_smaller_network_on_smaller_slices(dataset, device):
    device[0]["full"] = 10
    config = configs.load(str(auto.write(dataset, "4h")))
    assert config.model.widths[0] < 32 and config.geometry.fit == "letterbox"
    # The networks between were not timed.
    assert len(device[1]) < len(networks.STACKS.efforts)


def test_without_any_time_only_the_smallest_network_is_timed_after_the_largest(
    dataset, device
):
    device[0]["full"] = 0.01
    auto.write(dataset, "1s")
    assert device[1] == [32, networks.STACKS.efforts[-1].channels]


def test_what_another_process_planned_meanwhile_stays(dataset, device):
    device[0]["full"] = 0.01
    auto.write_once(dataset, "10h")
    planned = dataset.automatic.read_bytes()
    auto.write_once(dataset, "1h")
    assert dataset.automatic.read_bytes() == planned and device[1] == [32]
    dataset.automatic.unlink()
    with locks.locked(dataset.automatic, doing="planning"):
        waiting = threading.Thread(target=auto.write_once, args=(dataset, "1h"))
        waiting.start()
        dataset.automatic.write_bytes(planned)
    waiting.join()
    assert dataset.automatic.read_bytes() == planned and device[1] == [32]


def test_without_time_for_all_folds_it_leaves_some_out(dataset, device):
    device[0]["full"] = 10
    config = configs.load(str(auto.write(dataset, "1m")))
    assert list(config.folds) == [0]
    assert config.training.epochs >= 1


def test_a_network_that_does_not_fit_is_followed_by_smaller_ones(dataset, device):
    device[0]["full"] = None
    with pytest.raises(ValueError, match="no network fits"):
        auto.write(dataset, "4h")
    assert len(device[1]) == len(networks.STACKS.efforts)
    assert not dataset.automatic.exists()


@pytest.mark.parametrize(
    ("cases", "in_epoch", "epochs"), [(10, 20, 500), (9, 20, 100), (3, 100, 40)]
)
def test_few_cases_are_not_learned_by_heart(cases, in_epoch, epochs):
    found = dataclasses.replace(FOUND, cases=cases)
    lines = choices.of_time(found, 500 * in_epoch, in_epoch, 4)
    assert lines[0].key == "training.epochs" and lines[0].value == epochs
    assert ("overfit" in lines[0].reason) == (epochs < 500)


def test_a_cpu_that_multiplies_bfloat16_trains_in_it(monkeypatch):
    monkeypatch.setattr(cpu, "multiplies_bfloat16", lambda: True)
    for device, values in (
        (devices.Device("cpu", 1), ["bfloat16"]),
        (devices.Device("cpu", 1, backend="jax"), []),
        (devices.Device("gpu", 1), []),
    ):
        assert [line.value for line in choices.precision(device)] == values
    monkeypatch.setattr(cpu, "multiplies_bfloat16", lambda: False)
    assert not choices.precision(devices.Device("cpu", 1))


def test_each_line_of_the_file_has_its_reason_and_edits_stay(dataset, device):
    device[0]["full"] = 1
    path = auto.write(dataset, "4h")
    text = path.read_text("utf-8")
    assert all(len(line) <= 88 for line in text.splitlines())
    above = ""
    for line in text.splitlines():
        assert "=" not in line or "# " in line or above.startswith("# "), text
        above = line
    path.write_text("seed = 7\n", "utf-8")
    assert auto.write_apart(dataset, "8h").read_text("utf-8") == "seed = 7\n"


def test_later_steps_take_what_was_planned(finished, dataset, device):
    job, _ = finished
    device[0]["full"] = 1
    asked = {"data": job.data, "work": job.dataset.root.parent}
    with pytest.raises(ValueError, match=r"auto\.toml.*plan --experiment auto"):
        opening.open_experiment("auto", **asked)
    path = auto.write(job.dataset, "4h")
    assert pipeline.plan_auto(job.data, work=asked["work"]) == str(path)
    _, run = opening.open_experiment("auto", **asked, name="planned")
    # Whether classes exclude each other is settled by the masks.
    assert run.config == configs.load(str(path), ("model.exclusive=false",))


FRAMES = st.builds(
    frames.Frame,
    height=st.integers(1, 2000),
    width=st.integers(1, 2000),
    fit=st.sampled_from(["pad", "letterbox", "spacing"]),
    spacing_mm=st.floats(1e-4, 100),
)


@hypothesis.given(
    st.builds(
        findings.Findings,
        amount=st.builds(
            lambda slices, share, **others: amounts.Amounts(
                slices=slices,
                positives=round(slices * share),
                slices_y=slices,
                positives_y=round(slices * share),
                **others,
            ),
            slices=st.integers(1, 10**5),
            share=st.floats(0, 1),
            scans=st.integers(1, 1000),
            pixels=st.integers(1, 10**9),
            classes=st.integers(1, 16),
            folds=st.integers(1, 5),
        ),
        cases=st.integers(1, 1000),
        depth=st.integers(1, 300),
        whole=FRAMES,
        front=FRAMES,
        body=FRAMES,
        saving=st.floats(0, 0.9),
        anisotropy=st.floats(0.1, 20),
        outside=st.floats(0, 1),
        exchanged=st.sampled_from([None, ("left", "right")]),
        thickness=st.floats(0, 500),
        jump=st.floats(0, 10),
    ),
    st.sampled_from(
        [(each, effort) for each in networks.FAMILIES for effort in each.efforts]
    ),
    st.integers(1, 10**6),
    st.integers(1, 5),
    st.integers(1, 8),
)
def test_any_data_gets_an_experiment_that_is_valid(found, kind, steps, folds, scores):
    family, effort = kind
    lines = [
        choices.of_folds(found, folds),
        *family.of_data(found, effort),
        *choices.of_time(found, steps, 10, scores),
    ]
    config = configs.load("base", tuple(map(writing.override, lines)))
    assert len(config.model.widths) >= 2
    assert len({line.key for line in lines}) == len(lines)


def test_thin_structures_are_cropped_instead_of_shrunk():
    thick = chosen(share=0.5, saving=0.0)
    assert (thick["geometry.height"], thick["geometry.width"]) == (136, 160)
    assert "geometry.crop" not in thick
    thin = chosen(share=0.5, saving=0.0, thickness=4.0)
    assert (thin["geometry.height"], thin["geometry.width"]) == (264, 312)
    assert thin["geometry.crop"] == [136, 160]


def test_bodies_with_labels_outside_are_not_cut_out():
    assert chosen()["geometry.box"] == "body"
    lines = chosen(outside=0.016)
    assert lines["geometry.box"] == "none"
    assert (lines["geometry.height"], lines["geometry.width"]) == (264, 312)


def test_classes_that_a_mirror_exchanges_are_not_mirrored():
    assert "augment.flip" not in chosen()
    found = dataclasses.replace(FOUND, exchanged=("kidney\nleft", "kidney right"))
    for family in networks.FAMILIES:
        lines = family.of_data(found, choices.Effort(32, 1.0))
        (line,) = (line for line in lines if line.key == "augment.flip")
        assert line.value == 0 and "'kidney right'" in line.reason
        assert len(line.reason.splitlines()) == 1


def test_reasons_say_what_their_lines_do():
    found = dataclasses.replace(FOUND, saving=0.0, thickness=10.5)
    lines = stacks.of_data(found, choices.Effort(32, 0.35))
    reasons = {line.key: line.reason for line in lines}
    # Scaled by 6 / 10.5.
    assert (
        reasons["geometry.height"] == "the largest is 260 x 310 pixels, scaled to 57%"
    )
    assert "have 6 pixels" in reasons["geometry.crop"]
    assert "share of the slices without" in reasons["sampling.empties"]
    whole = stacks.of_data(found, choices.Effort(32, 1.0))
    assert not any("scaled" in line.reason for line in whole)


def test_slices_far_apart_are_seen_with_fewer_others():
    assert chosen(anisotropy=1.0)["slices"] == [-3, -2, -1, 0, 1, 2, 3]
    assert chosen(anisotropy=6.0)["slices"] == [-1, 0, 1]
    assert chosen(depth=1)["slices"] == [0]


def test_folds_beside_each_other_cost_no_time(dataset, device, monkeypatch):
    device[0]["full"] = 10
    eight = [{"CUDA_VISIBLE_DEVICES": str(number)} for number in range(8)]
    monkeypatch.setattr(auto.gpus, "environments", lambda setting: eight)
    config = configs.load(str(auto.write(dataset, "2m")))
    assert len(config.folds) == runs.prepared(dataset)["folds"]


def test_a_plan_is_made_by_a_command_of_its_own_and_keeps_the_folds(
    finished, dataset, device, monkeypatch
):
    job, _ = finished
    device[0]["full"] = 1

    def run_all(commands, environments):
        for _, _package, *arguments in commands:
            app.app(arguments, standalone_mode=False)

    monkeypatch.setattr(process, "run_all", run_all)
    before = job.dataset.manifest.read_text("utf-8"), job.dataset.slices.read_text()
    path = pipeline.plan_auto(job.data, work=job.dataset.root.parent, budget="4h")
    assert "in 4h" in pathlib.Path(path).read_text("utf-8")
    assert before == (
        job.dataset.manifest.read_text("utf-8"),
        job.dataset.slices.read_text(),
    )


def test_an_error_in_the_process_that_plans_is_told(finished, dataset):
    job, _ = finished
    with pytest.raises(ValueError, match="budget"):
        pipeline.plan_auto(job.data, work=job.dataset.root.parent, budget="soon")


def test_data_without_masks_is_refused(dataset, device, monkeypatch):
    empty = dataclasses.replace(
        FOUND, amount=dataclasses.replace(FOUND.amount, positives=0)
    )
    monkeypatch.setattr(findings, "of", lambda dataset: empty)
    with pytest.raises(ValueError, match="slices with masks"):
        auto.write(dataset, "4h")
