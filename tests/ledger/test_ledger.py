"""The ledger's table by hand, and how a leaderboard follows our own score."""

import dataclasses

import pytest

from competition import ledger
from competition.ledger import table

PLAIN = table.Entry(
    experiment="unet",
    date="2026-01-31",
    revision="0123456789ab-dirty",
    fingerprint="f00d",
    folds="0 1",
    score_per_class=0.875,
    score_merged=0.5,
    nested=None,
    public=None,
    private=None,
    submission="beef",
)


def entries(points):
    """Experiments with these (score_per_class, public)."""
    return [
        dataclasses.replace(PLAIN, experiment=f"e{i}", score_per_class=s, public=p)
        for i, (s, p) in enumerate(points)
    ]


def public(points):
    return ledger.relation(entries(points), "score_per_class", "public")


def test_a_written_ledger_is_read_back(tmp_path):
    other = dataclasses.replace(PLAIN, experiment="a, b", nested=0.25, public=1.0)
    written = {"unet": PLAIN, "a, b": other}
    table.write(tmp_path / "new", written)
    assert table.read(tmp_path / "new") == written
    assert (tmp_path / "new" / "ledger.csv").read_text("utf-8").splitlines()[:2] == [
        "experiment,date,revision,fingerprint,folds,score_per_class,score_merged,"
        "nested,public,private,submission",
        "unet,2026-01-31,0123456789ab-dirty,f00d,0 1,0.875000,0.500000,,,,beef",
    ]


def test_without_a_ledger_no_experiment_is_kept(tmp_path):
    assert table.read(tmp_path) == {}
    shown = ledger.show(tmp_path)
    assert shown["experiments"] == []
    assert {relation["experiments"] for relation in shown["relations"]} == {0}


def test_a_private_score_reaches_the_line_of_a_medal(tmp_path):
    reached = [
        ledger.reaches(score) for score in (0.9, 0.88, 0.8799, 0.87, 0.83, 0.7, None)
    ]
    assert reached == [
        "winner", "gold", "silver", "bronze", "best Keras entry on record", None, None,
    ]  # fmt: skip
    table.write(tmp_path, {"unet": PLAIN})
    # The lines are of the private board.
    assert (
        ledger.set_scores("unet", submissions=tmp_path, public=0.9)["reaches"] is None
    )
    assert ledger.set_scores("unet", submissions=tmp_path, private=0.875)["reaches"]
    shown = ledger.show(tmp_path)
    assert shown["experiments"][0]["reaches"] == "silver"
    assert {"line": "bronze", "private": 0.867} in shown["lines"]


def test_scores_are_set_one_by_one(tmp_path):
    table.write(tmp_path, {"unet": PLAIN})
    ledger.set_scores("unet", submissions=tmp_path, public=0.8)
    ledger.set_scores("unet", submissions=tmp_path, private=0.0)
    received = table.read(tmp_path)["unet"]
    assert (received.public, received.private) == (0.8, 0.0)
    assert dataclasses.replace(received, public=None, private=None) == PLAIN


@pytest.mark.parametrize(
    ("experiment", "scores", "message"),
    [
        ("other", {"public": 0.5}, "no experiment 'other'. Expected one of: unet"),
        ("unet", {}, "No score to set. Pass `public` or `private`"),
        ("unet", {"public": 87.5}, "`public` must lie between 0 and 1. Received: 87.5"),
        ("unet", {"private": float("nan")}, "`private` must lie between 0 and 1"),
    ],
)
def test_a_score_that_cannot_be_set(tmp_path, experiment, scores, message):
    table.write(tmp_path, {"unet": PLAIN})
    with pytest.raises(ValueError, match=message):
        ledger.set_scores(experiment, submissions=tmp_path, **scores)
    assert table.read(tmp_path) == {"unet": PLAIN}


def test_an_empty_ledger_is_named(tmp_path):
    with pytest.raises(ValueError, match="Expected one of: none yet"):
        ledger.set_scores("unet", submissions=tmp_path, public=0.5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("experiment,public\n", r"ledger\.csv: expected the columns experiment,date"),
        ("", r"ledger\.csv: expected a header"),
        ("\0", r"ledger\.csv"),
        ('{columns}\n"', r"ledger\.csv, row 2: not a CSV row"),
        ("{columns}\nunet,d,r,f,0,nan,,,,,s\n", "`score_per_class` must be a number"),
        ("{columns}\nunet,d,r,f,0,x,,,,,s\n", "row 2: `score_per_class` must be a num"),
        ("{columns}\nunet,d\n", "row 2: expected 11 fields"),
        ("{columns}\nunet,d,r,f,0,,,,,,s,more\n", "row 2: expected 11 fields"),
    ],
)
def test_a_damaged_ledger_is_an_error(tmp_path, text, message):
    path = tmp_path / "ledger.csv"
    path.write_text(text.format(columns=",".join(table.COLUMNS)))
    with pytest.raises(ValueError, match=message):
        table.read(tmp_path)


def test_two_points_lie_on_any_line():
    received = public([(0.5, 0.4), (0.6, 0.5), (0.7, None), (None, 0.3)])
    assert received["experiments"] == 2
    assert received["pearson"] is received["spearman"] is received["mean_gap"] is None


def test_a_leaderboard_that_follows_a_tenth_below():
    received = public([(0.5, 0.4), (0.8, 0.7), (0.6, 0.5), (0.9, None)])
    assert received["experiments"] == 3
    assert received["pearson"] == received["spearman"] == pytest.approx(1)
    assert received["mean_gap"] == pytest.approx(-0.1)


def test_the_order_may_agree_where_the_line_does_not():
    received = public([(0.1, 0.1), (0.2, 0.2), (0.3, 0.9)])
    assert received["spearman"] == pytest.approx(1)
    # Deviations (-1, 0, 1) and (-3, -2, 5): 8 / sqrt(2 * 38).
    assert received["pearson"] == pytest.approx(8 / 76**0.5)


def test_equal_scores_share_their_rank():
    received = public([(0.1, 0.3), (0.1, 0.4), (0.2, 0.5), (0.3, 0.1)])
    # Ranks (1.5, 1.5, 3, 4) and (2, 3, 4, 1): -1.5 / sqrt(4.5 * 5).
    assert received["spearman"] == pytest.approx(-1.5 / 22.5**0.5)


def test_scores_that_do_not_vary_have_no_correlation():
    received = public([(0.1, 0.3), (0.1, 0.4), (0.1, 0.5)])
    assert received["pearson"] is received["spearman"] is None
    assert received["mean_gap"] == pytest.approx(0.3)


def test_every_reading_is_related_to_both_boards(tmp_path):
    table.write(tmp_path, {"unet": PLAIN})
    relations = ledger.show(tmp_path)["relations"]
    assert {(r["board"], r["reading"]) for r in relations} == {
        (board, reading)
        for board in ("public", "private")
        for reading in ("score_per_class", "score_merged", "nested")
    }
