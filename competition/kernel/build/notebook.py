"""The notebook twin of a kernel's main.py: the same code, and pictures under it."""

import json
import re
from typing import Any

_PICTURES = """\
# Pictures must not cost a submission that is written already.
try:
    import IPython.display

    from competition.kernel import figures

    IPython.display.display(*figures.show(INPUT, WORKING))
except Exception as error:
    print("no pictures:", error)
"""


def make(code: str, *, title: str) -> str:
    """Turn the text of a main.py into that of a notebook (nbformat 4.5).

    The docstring becomes the heading; nothing is run, so there are no outputs.
    """
    match = re.match(r'"""(.*?)"""\n+', code, re.DOTALL)
    about = match[1].strip() if match else ""
    body = code[match.end() :] if match else code
    # In a notebook the last lines would hide the two folders from the pictures.
    body, _, _ = body.partition('\n\nif __name__ == "__main__":')
    cells = [
        _cell("markdown", f"# {title}\n\n{about}"),
        _cell("code", body.rstrip()),
        _cell("code", "main(INPUT, WORKING)"),
        _cell("code", _PICTURES.rstrip()),
    ]
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    about_kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook = {
        "cells": cells,
        "metadata": {
            "kernelspec": about_kernel,
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(notebook, indent=1) + "\n"


def _cell(kind: str, text: str) -> dict[str, Any]:
    cell: dict[str, Any] = {
        "cell_type": kind,
        "metadata": {},
        "source": text.splitlines(keepends=True),
    }
    if kind == "code":
        cell |= {"execution_count": None, "outputs": []}
    return cell
