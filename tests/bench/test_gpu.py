"""`python -m bench.gpu` at toy size, and what it says when it is cut short."""

import json
import os
import subprocess
import sys
import time

import pytest

from bench.gpu import bundle, expected, flops, parts, report, tables, unpack
from competition.core.experiment import configs
from tests import conftest, test_without_tensorflow

DEVICE = {
    "kind": "device", "device": "NVIDIA H100 80GB HBM3", "platform": "gpu", "count": 1,
    "dtype": "bfloat16", "tflops": 700.0, "gb_s": 3000.0, "python": "3.12", "jax": "1",
    "keras": "3", "numpy": "2",
}  # fmt: skip
FIT = {
    "kind": "fit", "part": "unet", "experiment": "unet", "engine": "device",
    "place": "device", "ms": 60.0, "of_bare": 0.99,
}  # fmt: skip


def step(framework, images_s, **more):
    return {
        "kind": "step", "part": f"{framework}, small", "framework": framework,
        "experiment": "unet", "size": "192 x 160 x 4", "batch": 32, "engine": "none",
        "place": "host", "precision": "bfloat16", "ms": 10.0, "spread": 0.01,
        "images_s": images_s, "tflops": 98.9, "memory_gb": 1.5, "compile_s": 20.0,
        **more,
    }  # fmt: skip


def test_it_runs_to_its_end_on_a_cpu_without_tensorflow(tmp_path):
    made = tmp_path / "bundle"
    bundle.write(made)
    done = subprocess.run(
        [sys.executable, "-m", "bench.gpu", "--toy", "--out", tmp_path / "out"],
        cwd=made,
        env=os.environ | {"PYTHONPATH": str(test_without_tensorflow.HIDING)},
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    results = json.loads((tmp_path / "out" / "results.json").read_text("utf-8"))
    ends = {each["part"]: each for each in results if each["kind"] in tables.ENDS}
    assert not ends, done.stdout[-3000:]
    stepped = {each.get("experiment") for each in results if each["kind"] == "step"}
    assert stepped == set(parts.experiments(toy=True))
    assert all(each.get("ok", True) for each in results)
    assert not any(each.get("failed") for each in results)
    assert "| memory that is said to be full | batch halved 1 times" in done.stdout


def test_all_shipped_experiments_are_timed_and_unet_first():
    folder = conftest.ROOT / "competition" / "experiments"
    # A blend has no network of its own.
    others = {"base", "winner", "hippocampus"}
    names = {path.stem for path in folder.glob("*.toml")} - others
    assert parts.experiments(toy=False)[0] == "unet"
    assert set(parts.experiments(toy=False)) == names


def test_a_part_that_hangs_or_fails_costs_only_itself(tmp_path, monkeypatch, capsys):
    (tmp_path / "hangs.py").write_text(
        'import time\nprint(\'{"kind": "half"}\', flush=True)\ntime.sleep(60)\n'
    )
    (tmp_path / "fails.py").write_text("raise ValueError('no card')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    kept = report.Report(tmp_path / "results.json")
    chosen = [
        parts.Part("first", ("hangs",), 4),
        parts.Part("second", ("fails",), 20),
    ]
    until = time.monotonic() + 60
    parts.side_by_side(chosen, kept, until=until, most=1)
    parts.side_by_side(chosen[:1], kept, until=time.monotonic(), most=1)
    results = json.loads(kept.path.read_text("utf-8"))
    kinds = [(each["part"], each["kind"]) for each in results]
    assert kinds == [
        ("first", "half"),
        ("first", "cut short"),
        ("second", "failed"),
        ("first", "left out"),
    ]
    assert "no card" in results[2]["why"]
    assert "first: cut short" in capsys.readouterr().out


def test_tables_show_the_share_of_the_peak_and_the_faster_pytorch():
    results = [
        {"part": "device", **DEVICE},
        step("Keras", 2600.0),
        step("PyTorch", 1000.0, mode="default"),
        step("PyTorch", 2000.0, mode="reduce-overhead"),
        FIT,
    ]
    shown = tables.markdown(results)
    assert "| 98.9 | 10.0% | 1.50 |" in shown
    assert "| 192 x 160 x 4 | 32 | 2,600 | 2,000 | 1.30 |" in shown
    assert "extrapolated" in shown
    # 30796 slices of a fold make 1924 steps of 16.
    assert "| unet | H100 | 1.9 min | 38.5 min | 3.2 h |" in shown


def test_other_cards_are_between_the_ratios_of_products_and_of_memory():
    rows = list(expected.rows([FIT], DEVICE))
    seconds = 1924 * 0.060
    by_products, by_memory = seconds * 989 / 65, seconds * 3350 / 320
    assert rows[0][:2] == ["unet", "T4 x 2"]
    assert rows[0][2] == f"{by_memory / 60:.1f} min to {by_products / 60:.1f} min"
    assert not list(expected.rows([FIT], DEVICE | {"platform": "cpu"}))


def test_steps_of_an_epoch_follow_from_sampling_and_patches():
    assert expected.steps_of_epoch(configs.load("unet")) == 1924
    # Slices with organs, as patches of 16 x 160 x 192.
    assert expected.steps_of_epoch(configs.load("unet_3d")) == 1659


@pytest.mark.parametrize(
    ("name", "peak"),
    [
        ("NVIDIA H100 80GB HBM3", (989, 3350)),
        ("NVIDIA A100-SXM4-80GB", (312, 2039)),
        ("NVIDIA L40", (181, 864)),
        ("Tesla T4", (65, 320)),
        ("cpu", None),
    ],
)
def test_peaks_are_known_by_the_name_of_the_card(name, peak):
    assert flops.card(name) == peak


def test_wheels_of_what_is_missing_are_unpacked_once(tmp_path, capsys):
    import zipfile

    for name in ("nowhere-1.0", "pytest-1.0"):
        with zipfile.ZipFile(tmp_path / f"{name}-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"{name}.dist-info/METADATA", "")
    for _ in range(2):
        unpack.main(tmp_path, tmp_path / "site")
    assert capsys.readouterr().out == "unpacked nowhere 1.0\n"
    assert [each.name for each in (tmp_path / "site").iterdir()] == [
        "nowhere-1.0.dist-info"
    ]
