"""Parts of several pages."""

import jinja2
import pytest

from competition.core.pages import html_page


@pytest.mark.parametrize(
    ("part", "whole", "expected"),
    [(1, 4, "25.0 %"), (0, 3, "0.0 %"), (0, 0, "\N{EN DASH}")],
)
def test_a_share_of_nothing_has_no_percent_sign(part, whole, expected):
    pages = jinja2.Environment(loader=jinja2.FileSystemLoader(html_page.TEMPLATES))
    macros = pages.get_template("macros.html").module
    assert expected in macros.percent(part, whole)
    assert ("%" in macros.percent(part, whole)) == bool(whole)
