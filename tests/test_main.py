"""The command line: exit codes, messages, JSON."""

import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

import pytest
import typer

from competition import __main__ as command
from competition import ledger
from competition.commands import app, output
from competition.ledger import table
from tests import conftest


@pytest.fixture
def call(monkeypatch, capsys):
    """Run the command line; gives the exit code, standard output and error."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["competition", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit:
            command.main()
        said = capsys.readouterr()
        return exit.value.code or 0, said.out, said.err

    return run


COMMANDS = [
    "phantom", "prepare", "train", "predict", "decide", "submit", "validate", "score",
    "report", "run", "convert", "audit", "baseline", "search", "ledger", "show", "plan",
    "watch",
]  # fmt: skip


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_and_json(call, name):
    code, out, _ = call(name, "--help")
    assert code == 0
    assert "--json" in out


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("ledger --submissions other add smoke", "give options after add"),
        ("ledger --json set smoke", "give options after set"),
        ("watch --data a", "--data goes with --experiment"),
        ("show case1_day1 --data a --attention", "give --experiment"),
        ("convert --images a --data b --out c --axis y", "--labels"),
        ("convert --restore a --data b --out c --window 40 400", "--labels"),
    ],
)
def test_an_option_that_would_change_nothing_is_refused(call, asked, said):
    code, _, err = call(*asked.split())
    assert code == 2
    assert said in " ".join(err.replace("│", " ").split())


@pytest.mark.parametrize("error", ["KeyboardInterrupt", "ImportError"])
def test_ctrl_c_while_libraries_load_is_no_traceback(error):
    # A library may turn the interrupt into an error of its own.
    code = f"""
import sys

class Interrupted:
    def find_spec(self, name, *_):
        if name == "typer":
            try:
                raise KeyboardInterrupt
            except KeyboardInterrupt as interrupt:
                raise {error} from interrupt

sys.meta_path.insert(0, Interrupted())
from competition import __main__
__main__.main()
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=conftest.ROOT, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (130, "stopped\n")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            FileNotFoundError(2, os.strerror(2), "a"),
            "a: no such file or directory. Check",
        ),
        (OSError(28, "No space left on device"), "no space left on device. Make room"),
        (OSError(5, "Input/output error", "x"), "x: input/output error."),
        (OSError(2, "Unable to open '/Data/A.h5'"), "Unable to open '/Data/A.h5'."),
        (ValueError("[Errno 2] as it is"), "[Errno 2] as it is"),
    ],
)
def test_errors_of_the_system_are_told_in_words(error, text):
    assert command._told(error).startswith(text)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--name", ""], "one part of a path"),
        (["--set", "training.epochs=1e20"], "`training.epochs`"),
        (["--set", "training.epochs=1000000000000"], "less than or equal"),
        (["--set", "seed=" + "[" * 20_000], "`seed`: Input should be a valid integer"),
        (
            ["--set", 'gate=["smoke"]'],
            "names itself under `members`, `gate` or `rules`",
        ),
        (["--set", 'gate=["none"]'], "none/config.json: not found"),
        (["--set", 'gate=["../smoke"]'], "one part of a path"),
        (["--set", 'members=["/etc", "b"]'], "one part of a path"),
    ],
)
def test_what_cannot_be_is_an_error_before_anything_is_trained(
    call, finished, arguments, message
):
    job, _ = finished
    paths = "--data", job.data, "--work", job.dataset.root.parent
    code, _, said = call("train", *paths, "--experiment", "smoke", *arguments)
    assert code == 1
    assert message in " ".join(said.split())


def test_a_negative_seed_of_the_folds_is_an_error(call, competition, tmp_path):
    paths = "--data", competition, "--work", tmp_path
    code, _, said = call("prepare", *paths, "--fold-seed", "-1")
    assert code == 1
    assert "`fold_seed` must be 0 or more. Received: -1." in said


def test_a_nested_experiment_file_is_named(call, competition, tmp_path):
    path = tmp_path / "deep.toml"
    path.write_text("a = " + "[" * 20_000)
    paths = "--data", competition, "--work", tmp_path
    code, _, said = call("run", *paths, "--experiment", path)
    assert code == 1
    assert "deep.toml: not valid TOML" in said


def test_help_lists_every_command(call):
    code, out, _ = call("--help")
    assert code == 0
    assert all(name in out for name in COMMANDS)


def commands(command, names=()):
    """Yield the names that lead to each command and group, and the thing itself."""
    yield names, command
    for name, part in getattr(command, "commands", {}).items():
        yield from commands(part, (*names, name))


WHOLE = typer.main.get_command(app.app)


@pytest.mark.parametrize("names", [" ".join(names) for names, _ in commands(WHOLE)])
def test_the_help_ends_with_an_example_that_the_command_takes(call, names, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    code, out, _ = call(*names.split(), "--help")
    assert code == 0
    head, shown = (line.strip() for line in out.split("Example:"))
    assert head
    # As a shell reads it: a backslash at the very end of a line continues it.
    (line,) = shown.replace("\\\n", "").splitlines()
    words = shlex.split(line)
    assert words[:3] == ["python", "-m", "competition"]
    words = words[3:]
    assert words[: len(names.split())] == names.split()
    part = WHOLE
    while words and words[0] in getattr(part, "commands", {}):
        part = part.commands[words.pop(0)]
    # Unknown options and missing ones are errors; nothing is run.
    part.make_context("example", words)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["prepare"], "Missing option '--data'"),
        (["fly"], "No such command 'fly'"),
        (["prepare", "--data", "x", "--fold", "2"], "No such option"),
        (
            ["prepare", "--data", "x", "--folds", "two"],
            "unable to parse string as an integer",
        ),
        (["submit", "--data", "x"], "either --experiment or --run"),
        (["train", "--data", "x"], "either --data and --experiment, or --run alone"),
        (["train", "--run", "x", "--name", "y"], "or --run alone"),
        (["watch", "x", "--experiment", "y"], "either the folder of a run or"),
        (["train", "--run", "x", "--fold", "two"], "named by its number, such as 0,"),
    ],
)
def test_a_wrong_call_is_exit_code_2(call, arguments, message):
    code, out, err = call(*arguments)
    assert (code, out) == (2, "")
    assert message in " ".join(err.replace("│", " ").split())


def test_bad_data_is_exit_code_1_and_a_message(call, tmp_path):
    code, out, err = call("prepare", "--data", tmp_path / "none")
    assert (code, out) == (1, "")
    assert "no such folder" in err and "Traceback" not in err


def test_an_unknown_experiment_is_exit_code_1(call, competition, tmp_path):
    code, _, err = call(
        "run", "--data", competition, "--experiment", "smoke2", "--work", tmp_path / "w"
    )
    assert code == 1
    assert "Did you mean 'smoke'" in err
    assert not (tmp_path / "w").exists()


def test_json_is_one_object_and_nothing_else(call, competition, tmp_path):
    code, out, err = call(
        "prepare", "--data", competition, "--work", tmp_path / "w", "--json"
    )
    assert code == 0
    assert json.loads(out)["classes"] == ["large_bowel", "small_bowel", "stomach"]
    assert "cannot be split into 5 folds" in err or json.loads(out)["folds"] == 5


def test_a_perfect_submission_scores_one(call, tiny_phantom):
    truth = tiny_phantom / "solution.csv"
    data = tiny_phantom / "competition"
    arguments = ["score", "--truth", truth, "--submission", truth, "--data", data]
    code, out, _ = call(*arguments, "--json")
    assert code == 0
    assert json.loads(out)["score_per_class"] == json.loads(out)["iou"] == 1
    _, out, _ = call(*arguments)
    assert "score_per_class" in out and "large_bowel" in out and "1.0000" in out
    assert " iou " in out and "dice_with_empty counts them as 1" in out


def test_a_run_is_scored_out_of_fold_with_its_calibration(call, finished):
    job, results = finished
    asked = ["score", "--data", job.data, "--work", job.dataset.root.parent]
    asked += ["--experiment", "smoke", *(f"--set={each}" for each in conftest.TINY)]
    code, out, _ = call(*asked, "--truth", job.truth, "--json")
    assert code == 0
    scored = json.loads(out)
    assert scored == results["score"]
    assert list(scored["oof"]["calibration"]) == list(job.run.classes)
    assert "calibration" not in scored["submission"]
    _, out, _ = call(*asked, "--truth", job.truth)
    assert "expected_error_likely" in out and "submission" in out
    code, _, err = call(*asked, "--submission", job.truth)
    assert code == 2 and "or --experiment" in err


def test_an_invalid_submission_is_exit_code_1(call, tiny_phantom, tmp_path):
    (tmp_path / "s.csv").write_text("id,class,predicted\n")
    arguments = ["--data", tiny_phantom / "competition", "--json"]
    code, out, _ = call("validate", "--submission", tmp_path / "s.csv", *arguments)
    assert code == 1
    assert json.loads(out)["ok"] is False
    solution = tiny_phantom / "solution.csv"
    code, out, _ = call("validate", "--submission", solution, *arguments)
    assert (code, json.loads(out)["ok"]) == (0, True)


def test_watch_finds_a_run_by_its_experiment_and_shows_it_once(call, finished):
    job, _ = finished
    work = "--work", job.dataset.root.parent
    code, out, _ = call("watch", "--experiment", "smoke", *work)
    assert (code, out.split()[:4]) == (0, ["smoke", "2", "of", "2"])
    code, out, _ = call("watch", "--experiment", "smoke", *work, "--json")
    assert json.loads(out)["members"]["smoke"]["folds"]["1"]["state"] == "done"


def test_report_draws_its_contents_as_png_too(call, finished, tmp_path):
    job, _ = finished
    work = shutil.copytree(job.dataset.root.parent, tmp_path / "work")
    paths = "--data", job.data, "--work", work, "--experiment", "smoke"
    overrides = [word for each in conftest.TINY for word in ("--set", each)]
    code, out, _ = call("report", *paths, *overrides, "--png", "--json")
    assert code == 0
    names = [pathlib.Path(path).name for path in json.loads(out)["pictures"]]
    assert names == ["curves.png", "scores.png", "scans.png"]


def test_a_run_is_no_better_than_itself(call, finished, tmp_path):
    job, _ = finished
    work = shutil.copytree(job.dataset.root.parent, tmp_path / "work")
    arguments = ["report", "--data", job.data, "--work", work, "--experiment", "smoke"]
    arguments += [word for each in conftest.TINY for word in ("--set", each)]
    code, out, _ = call(*arguments, "--against", "smoke", "--json")
    compared = json.loads(out)
    assert (code, compared["better"], compared["worse"]) == (0, 0, 0)
    nested = compared["differences"]["nested"]["score_per_class"]
    assert nested["low"] == nested["difference"] == nested["high"] == 0
    code, out, _ = call(*arguments, "--against", "smoke")
    assert code == 0 and "scans: 0 better, 0 worse" in out
    code, _, err = call(*arguments, "--against", "other")
    # Another test may have left a run beside it.
    assert code == 1 and re.search("Runs beside it: .*smoke", err)


def test_submit_writes_where_it_is_told(call, finished, tmp_path):
    job, _ = finished
    out_file = tmp_path / "a" / "submission.csv"
    code, out, _ = call(
        "submit", "--data", job.data, "--run", job.run.files.root, "--out", out_file,
        "--json",
    )  # fmt: skip
    assert code == 0
    assert json.loads(out)["submission"] == str(out_file)
    assert out_file.read_bytes() == job.run.files.submission.read_bytes()


def test_an_unfinished_run_prints_how_far_its_folds_are(capsys):
    fold = {"epochs": 7, "score": None, "finished": False}
    trained = {"finished": False, "folds": {0: fold}, "members": {"one": {"all": fold}}}
    output.run({"prepare": {}, "train": trained})
    out = capsys.readouterr().out
    assert "all" in out and "one" in out and "no" in out and out.count("7") == 2
    assert "{" not in out


def test_decide_prints_a_row_of_settings_for_each_class(capsys, finished):
    job, results = finished
    output.decided(results["decide"] | {"weights": {"stomach": {"one": 0.25}}})
    out = capsys.readouterr().out
    heading = next(line for line in out.splitlines() if "threshold" in line)
    assert heading.index("class") < heading.index("threshold") < heading.index("holes")
    assert all(name in out for name in job.run.classes)
    assert "0.25" in out and "{" not in out


def entry(name, ours=0.9):
    return table.Entry(
        name, "2026-11-30", "97fdfda9d974", "7b089b23b0ef6dc3", "0 1 2 3 4", ours,
        ours, ours, 0.88, 0.87, "9df67a35b7f53ec1",
    )  # fmt: skip


def test_the_ledger_prints_whole_names(capsys, tmp_path):
    name = "hippocampus_3d_with_a_name_of_47_characters_all"
    table.write(tmp_path, {name: entry(name)})
    output.ledger(ledger.show(tmp_path))
    printed = capsys.readouterr().out
    assert name in printed and "\N{HORIZONTAL ELLIPSIS}" not in printed


def test_the_ledger_says_that_scores_of_ours_are_missing_too(capsys, tmp_path):
    entries = [entry("a"), entry("b"), entry("c", ours=None)]
    table.write(tmp_path, {each.experiment: each for each in entries})
    output.ledger(ledger.show(tmp_path))
    said = "3 experiments with a leaderboard score and one of ours are needed"
    assert said in capsys.readouterr().out


@pytest.mark.parametrize("name", ["../evil", ".", "a/b", ""])
def test_a_run_cannot_leave_its_folder(call, finished, name):
    job, _ = finished
    code, _, err = call(
        "decide", "--data", job.data, "--work", job.dataset.root.parent,
        "--experiment", "smoke", "--name", name,
    )  # fmt: skip
    assert code == 1
    assert "one part of a path" in err


def test_an_infinite_value_is_named(call, competition, tmp_path):
    code, _, err = call(
        "run", "--data", competition, "--experiment", "smoke", "--work", tmp_path / "w",
        "--set", "training.learning_rate=inf",
    )  # fmt: skip
    assert code == 1
    assert "training.learning_rate" in err and "finite" in err
