"""Pages: what their policy allows, and tables that sort, in a browser where one is."""

import base64
import hashlib
import re
import subprocess

import pytest

from bench import chromium
from competition.core.pages import html_page, pictures

BROWSER = chromium.find()
TABLE = """
<table class="sorts"><thead><tr><th>Scan</th><th>Dice</th></tr></thead>
<tbody><tr><td>all</td><td>0.5</td></tr></tbody>
<tbody>
<tr><td>case10</td><td>1,000</td></tr>
<tr><td>case9</td><td>\N{EN DASH}</td></tr>
<tr><td>case2</td><td data-value="30">half a minute</td></tr>
</tbody></table>
"""


@pytest.mark.parametrize(
    "path", sorted(html_page.TEMPLATES.rglob("*.html")), ids=lambda path: path.name
)
def test_no_template_leaves_its_values_unescaped(path):
    assert not re.search(r"\|\s*safe|autoescape", path.read_text("utf-8"))


def digest(text):
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def test_a_policy_allows_the_styles_and_scripts_that_are_there():
    page = "<style>a</style><script type='module'>b</script><script>b</script>"
    policy = html_page.policy(page)
    assert policy.startswith("default-src 'none'; ")
    assert f"style-src 'sha256-{digest('a')}'; " in policy
    assert policy.endswith(f"script-src 'sha256-{digest('b')}'")


def test_data_in_a_page_needs_no_leave():
    page = '<script type="application/json">{}</script>'
    assert html_page.policy(page).endswith("style-src 'none'; script-src 'none'")


def test_the_classes_have_the_colours_of_the_pictures_over_again():
    names = html_page.class_names([*"abcdefghijklmnopq"])
    assert names["a"] == "class0" and names["p"] == "class15"
    assert names["q"] == "class0"
    assert len(set(pictures.CLASS_COLOURS)) == 16


def shown(tmp_path, click, table=TABLE):
    """The first column of the table, as a browser shows it after some clicks."""
    script = f"{html_page.source('sort.js')}\n{click}"
    page = tmp_path / "page.html"
    page.write_text(f"{table}<script type='module'>{script}</script>", "utf-8")
    done = subprocess.run(
        [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom",
         f"--user-data-dir={tmp_path / 'profile'}", page.as_uri()],
        capture_output=True, encoding="utf-8", timeout=60, check=True,
    )  # fmt: skip
    return re.findall(r"<tr><td>(\w+)", done.stdout), done.stdout


@pytest.mark.skipif(not BROWSER, reason="no browser on this machine")
@pytest.mark.parametrize(
    ("clicks", "order"),
    [
        ([], ["case10", "case9", "case2"]),
        ([0], ["case2", "case9", "case10"]),
        ([0, 0], ["case10", "case9", "case2"]),
        ([1], ["case2", "case10", "case9"]),
        ([0, 1, 1], ["case10", "case2", "case9"]),
    ],
)
def test_a_click_on_a_heading_sorts_and_another_turns_the_order(
    tmp_path, clicks, order
):
    click = "".join(
        f"document.querySelectorAll('th button')[{column}].click();"
        for column in clicks
    )
    first_column, page = shown(tmp_path, click)
    assert first_column == ["all", *order]
    assert page.count("aria-sort=") == len(clicks[:1])


@pytest.mark.skipif(not BROWSER, reason="no browser on this machine")
def test_a_row_of_all_below_the_others_stays_there(tmp_path):
    head, all, rows = TABLE.partition(
        "<tbody><tr><td>all</td><td>0.5</td></tr></tbody>"
    )
    table = head + rows.replace("</table>", all.replace("<tbody", '<tbody class="all"'))
    click = "document.querySelectorAll('th button')[0].click();"
    first_column, _ = shown(tmp_path, click, f"{table}</table>")
    assert first_column == ["case2", "case9", "case10", "all"]
