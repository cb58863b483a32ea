"""A run's folder, and what may be wrong with it."""

import pytest

from competition.core import layout, runs


@pytest.mark.parametrize("text", ["{}", "[]", '{"name": "a"}', "null"])
def test_a_damaged_config_is_named(tmp_path, text):
    (tmp_path / "config.json").write_text(text, "utf-8")
    with pytest.raises(ValueError, match=r"config\.json: expected the keys name, "):
        runs.read(layout.Run(tmp_path))
