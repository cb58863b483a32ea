"""The results of benchmarks, read from Markdown."""

from competition.report import benchmarks


def test_titles_texts_and_tables_are_told_apart():
    text = "Before.\n\n## a\n\n| `x` | y |\n| --- | :-: |\n| 1 | 2 |\n\nAfter."
    before, section = benchmarks.parse(text)
    assert before == {"title": "", "texts": ["Before."], "rows": []}
    assert section["title"] == "a" and section["texts"] == ["After."]
    assert section["rows"] == [["`x`", "y"], ["1", "2"]]


def test_the_results_of_both_commands_are_found(tmp_path):
    assert benchmarks.sections(tmp_path) == []
    for name in benchmarks.FILES:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"## {name}\n\n| a |\n| --- |\n")
    titles = [each["title"] for each in benchmarks.sections(tmp_path)]
    assert titles == ["bench.md", "gpu/results.md"]
