"""The notebook twin of a kernel's main.py: the same code, and pictures under it."""

import json
from typing import Any

_PICTURES = """\
# Pictures must not cost a submission that is written already.
try:
    import IPython.display

    from competition.kernel import figures

    IPython.display.display(*figures.show(INPUT, WORKING))
except Exception as error:
    print("no pictures:", error)"""


def make(code: str, *, title: str) -> str:
    """Turn the text of a main.py into that of a notebook (nbformat 4.5).

    The docstring becomes the heading. The cells have no outputs, since no code is run.
    """
    _, about, body = code.split('"""', 2)
    # Leave out the last lines: a cell of its own calls `main`, then one shows pictures.
    body, _, _ = body.partition('\n\nif __name__ == "__main__":')
    code_cells = body.strip(), "main(INPUT, WORKING)", _PICTURES
    cells: list[dict[str, Any]] = [
        {"cell_type": "markdown", "source": f"# {title}\n\n{about.strip()}"},
        *({"cell_type": "code", "source": source} for source in code_cells),
    ]
    for number, cell in enumerate(cells):
        cell |= {"id": f"cell-{number}", "metadata": {}}
        if cell["cell_type"] == "code":
            cell |= {"execution_count": None, "outputs": []}
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook = {
        "cells": cells,
        "metadata": {"kernelspec": kernel, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(notebook, indent=1) + "\n"
