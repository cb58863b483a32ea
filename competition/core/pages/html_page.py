"""HTML pages: each is one self-contained file in which every value is escaped."""

import base64
import pathlib
from typing import Any

TEMPLATES = pathlib.Path(__file__).parent / "templates"


def render(template: str, values: dict[str, Any]) -> str:
    """Fill a template; a name that it uses and `values` lacks is an error."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(values)


def embed(data: bytes, kind: str = "png") -> str:
    """Return an image as a data URL, an address that holds the image itself."""
    return f"data:image/{kind};base64," + base64.b64encode(data).decode()
