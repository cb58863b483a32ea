"""Kaggle's rules for names and sizes."""

import pytest

from competition.core.experiment import configs
from competition.kernel import names


def test_too_much_for_kaggle_is_refused(tmp_path, monkeypatch):
    code = tmp_path / "main.py"
    code.write_text("x" * 1_000_001, encoding="utf-8")
    with pytest.raises(
        ValueError, match=r"takes at most 1,000,000 bytes. Received: 1,00"
    ):
        names.check_sizes(tmp_path, code)
    monkeypatch.setattr(names, "DATASET_BYTES", 10)
    with pytest.raises(ValueError, match="takes at most 10 bytes"):
        names.check_sizes(tmp_path, code)


@pytest.mark.parametrize("id", ["ann", "ann/Ab-cd-ef", "ann/abc", "a b/abcdef"])
def test_an_earlier_kernel_needs_a_whole_id(id):
    with pytest.raises(ValueError, match=r"^`(--from|user)` expects"):
        names.check_source(id)


@pytest.mark.parametrize(
    ("title", "slug"), [("UWM a  b", "uwm-a-b"), ("UWM 2.5D!", "uwm-2-5d")]
)
def test_slugs_are_made_as_kaggle_makes_them(title, slug):
    assert names.slug(title) == slug


@pytest.mark.parametrize(
    ("name", "expected"),
    [("v15", "v15"), ("v1.5", "v1 5"), ("_a--b", "a b"), ("unet_3d", "unet 3d")],
)
def test_the_words_of_a_name_make_a_title(name, expected):
    assert names.title(name, ending="submit") == f"UWM {expected} submit"


def test_a_name_without_a_letter_that_kaggle_keeps_is_refused():
    with pytest.raises(ValueError, match=r"Received: '模型', which has none"):
        names.title("模型", ending="submit")


def test_every_experiment_has_a_title_that_fits():
    for path in configs.EXPERIMENTS.glob("*.toml"):
        for ending in ("train", "submit", "train bundle", "submit bundle"):
            assert names.title(path.stem, ending=ending)
