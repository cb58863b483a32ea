"""A submission of three members, killed twice, of a test set full of damage.

One slice in ten is damaged, each in one of WAYS; `make soak` takes 60 scans, and kills
five times.
"""

import json
import os
import shutil
import subprocess
import sys

import pytest

from competition import pipeline, validate
from competition.core.data import images, mask_csv
from tests import conftest, copies, damage

SOAK = os.environ.get("SOAK") == "1"
SCANS, KILLS = (60, 5) if SOAK else (26, 2)
WAYS = (
    damage.zero_bytes, damage.truncated, damage.flipped_byte, damage.not_a_png,
    damage.eight_bit, damage.colour, damage.palette, damage.huge,
    damage.other_shape_than_name, damage.other_size_than_scan, damage.foreign_name,
    damage.unreadable, damage.link_that_leaves, damage.broken_link,
    damage.missing_slice,
)  # fmt: skip


@pytest.fixture
def blend(finished, tmp_path):
    """A blend of one fold three times."""
    names = "first", "second", "third"
    return copies.blend(finished[0], tmp_path / "work", names=names, folds=[0])


@pytest.fixture
def clean(competition):
    """A test folder of many scans, copies of the phantom's two."""
    folders = sorted((competition / "test").glob("*/*/scans"))
    shutil.move(competition / "test", competition / "few")
    few = [competition / "few" / each.relative_to(competition / "test")
           for each in folders]  # fmt: skip
    for number in range(SCANS):
        case = f"case{1000 + number}"
        target = competition / "test" / case / f"{case}_day0" / "scans"
        shutil.copytree(few[number % len(few)], target)
    ids = [image.id for image in images.find(competition, "test")]
    names = "large_bowel", "small_bowel", "stomach"
    rows = [mask_csv.Row(0, id, name, "") for id in ids for name in names]
    mask_csv.write(competition / "sample_submission.csv", rows)
    return competition


def damaged(clean, tmp_path):
    """A copy with one slice in ten damaged, and the scans that are."""
    data = tmp_path / "damaged" / "competition"
    shutil.copytree(clean, data)
    slices = images.find(data, "test")
    count = len(slices) // 10
    hit = slices[:: len(slices) // count][:count]
    for number, image in enumerate(hit):
        stage = tmp_path / "stage" / str(number) / "folder"
        scans = (stage / image.path.replace("test/", "train/", 1)).parent
        scans.mkdir(parents=True)
        shutil.move(data / image.path, scans)
        (stage / "train.csv").write_text(f"id,class,segmentation\n{image.id},a,\n")
        WAYS[number % len(WAYS)](stage)
        for left in scans.iterdir():
            shutil.move(left, (data / image.path).parent / left.name)
    return data, {image.scan for image in hit}


def test_killed_on_damaged_data_it_is_whole_on_the_rest(blend, clean, tmp_path):
    data, hit = damaged(clean, tmp_path)
    assert len(hit) >= len(WAYS)
    whole, broken = tmp_path / "whole" / "s.csv", tmp_path / "broken" / "s.csv"
    pipeline.submit(blend.files.root, data=clean, out=whole)
    command = [sys.executable, "-m", "tests.soak.kill_submit"]
    done = subprocess.run(
        [*command, blend.files.root, data, broken, str(KILLS)],
        capture_output=True, encoding="utf-8", cwd=conftest.ROOT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    killed = json.loads(done.stdout.splitlines()[-1])["killed_after_scans"]
    assert killed == sorted(set(killed)) and len(killed) == KILLS
    assert validate.run(broken, data=clean)["ok"]
    expected, received = (mask_csv.read(path, None) for path in (whole, broken))
    assert any(row.rle for row in expected)
    for one, other in zip(expected, received, strict=True):
        assert one == other or images.scan_of(one.id) in hit
    log = broken.with_name("s.csv.log").read_text("utf-8")
    assert log.count("warning: damaged slice") >= len(WAYS) // 2
