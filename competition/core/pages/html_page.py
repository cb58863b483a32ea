"""HTML pages: each is one self-contained file in which every value is escaped."""

import base64
import hashlib
import pathlib
import re
from collections.abc import Sequence
from typing import Any

from competition.core import console
from competition.core.pages import pictures, scripts

TEMPLATES = pathlib.Path(__file__).parent / "templates"
# This text stands for the policy until the styles and scripts of a page are known.
_POLICY = "policy-of-this-page"
_INLINE = re.compile(r"<(style|script)\b([^>]*)>(.*?)</\1>", re.DOTALL)


def render(template: str, values: dict[str, Any]) -> str:
    """Fill a template; a name that is used but missing in `values` is an error.

    The page gets the colours of classes and curves, and a policy that allows only its
    own styles and scripts.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"source": source, "script": script}
    shared = {
        "colours": pictures.CLASS_COLOURS,
        "curve_colours": pictures.CURVE_COLOURS,
        "policy": _POLICY,
    }
    page = environment.get_template(template).render(shared | values)
    # The name of a folder may hold bytes that are no UTF-8.
    page = console.readable(page)
    return page.replace(_POLICY, policy(page), 1)


def source(name: str) -> Any:
    """Return the text of a style or script in templates/, to be put into a page."""
    import markupsafe

    return markupsafe.Markup((TEMPLATES / name).read_text("utf-8").rstrip())


def script(name: str) -> Any:
    """Return a JavaScript module in templates/ with the modules that it imports."""
    import markupsafe

    return markupsafe.Markup(scripts.bundle(TEMPLATES / name))


def policy(page: str) -> str:
    """Return the Content-Security-Policy of a page, which may fetch nothing.

    It allows only the styles and scripts that are in the page now. Data, such as a
    script of the type application/json, needs no permission.
    """
    digests: dict[str, list[str]] = {"style": [], "script": []}
    for tag, attributes, content in _INLINE.findall(page):
        if "application/json" not in attributes:
            digest = base64.b64encode(hashlib.sha256(content.encode()).digest())
            digests[tag].append(f"'sha256-{digest.decode()}'")
    parts = ["default-src 'none'", "base-uri 'none'", "form-action 'none'"]
    parts += ["img-src data:"]
    for tag, allowed in digests.items():
        parts.append(f"{tag}-src {' '.join(dict.fromkeys(allowed)) or repr('none')}")
    return "; ".join(parts)


def class_names(classes: Sequence[str]) -> dict[str, str]:
    """Return, for each class of the data, the CSS class that has its colour."""
    return {
        name: f"class{index % len(pictures.CLASS_COLOURS)}"
        for index, name in enumerate(classes)
    }


def templates() -> list[pathlib.Path]:
    """Return the files that pages are made from.

    `report` and `audit` hash them to know when a page is out of date.
    """
    here = pathlib.Path(__file__).parent
    return sorted(path for path in here.rglob("*") if path.suffix != ".pyc")


def embed(data: bytes, kind: str = "png") -> str:
    """Return an image as a data URL, an address that holds the image itself."""
    return f"data:image/{kind};base64," + base64.b64encode(data).decode()
