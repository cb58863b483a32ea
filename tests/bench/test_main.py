"""What the benchmarks print is kept for the reports."""

import types

import pytest

from bench import __main__ as bench


@pytest.fixture
def said(monkeypatch):
    """What each benchmark prints, by its name."""
    said = {"bench_data": "| a | 1 |", "bench_page": "| b | 2 |"}

    def module(name):
        return types.SimpleNamespace(main=lambda: print(said[name.split(".")[1]]))

    monkeypatch.setattr(bench, "NAMES", list(said))
    monkeypatch.setattr(bench.importlib, "import_module", module)
    return said


def test_a_benchmark_that_runs_again_replaces_its_section(said, tmp_path, capsys):
    out = tmp_path / "work" / "bench.md"
    bench.main([], out)
    said["bench_data"] = "| a | 3 |"
    bench.main(["data"], out)
    text = out.read_text("utf-8")
    assert text.count("## ") == 2 and text.index("## data") < text.index("## page")
    assert "| a | 3 |" in text and "| b | 2 |" in text and "| a | 1 |" not in text
    assert "| a | 1 |" in capsys.readouterr().out


def test_an_unknown_benchmark_is_named_with_those_there_are(said):
    with pytest.raises(SystemExit, match="no benchmark bench_x; there are: data, page"):
        bench.main(["x"])
