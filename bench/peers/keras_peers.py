"""Compare the properties of the Keras peers and of this project in a table.

    python -m bench.peers.keras_peers --python peersenv_keras/bin/python

Each package answers `keras_questions` in a process of its own, on TensorFlow.
"""

import argparse
import importlib
import json
import pathlib
import sys

import numpy as np

from bench.peers import keras_questions

NAMES = "own", "medicai", "segmodels_keras"
ANSWERS = "answers: "


def main(arguments: list[str]) -> None:
    """Ask each package by its Python, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.peers.keras_peers")
    parser.add_argument("--python", required=True, help="the one that has the peers")
    parser.add_argument("--answer", choices=NAMES, help=argparse.SUPPRESS)
    parser.add_argument("--load", type=pathlib.Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if not options.answer:
        pythons = {name: options.python for name in NAMES} | {"own": sys.executable}
        columns = {name: _ask(name, python) for name, python in pythons.items()}
        print("\n".join(table(columns)))
        return
    package = importlib.import_module(keras_questions.MODULES + options.answer)
    if options.load:
        output = keras_questions.output(package.load(options.load))
        np.save(options.load / keras_questions.LOADED, output)
        return
    asked = keras_questions.QUESTIONS.items()
    print(ANSWERS + json.dumps({row: ask(package) for row, ask in asked}))


def table(columns: dict[str, dict[str, str]]) -> list[str]:
    """Return the lines of a table: a column a package, a row a question."""
    questions = list(next(iter(columns.values())))
    rows = [["", *columns], ["---"] * (len(columns) + 1)]
    rows += [[row, *(found[row] for found in columns.values())] for row in questions]
    return ["| " + " | ".join(row) + " |" for row in rows]


def _ask(name: str, python: str) -> dict[str, str]:
    done = keras_questions.run(keras_questions.command(python, name))
    lines = done.stdout.splitlines()
    line = next(line for line in lines if line.startswith(ANSWERS))
    return dict(json.loads(line.removeprefix(ANSWERS)))


if __name__ == "__main__":
    main(sys.argv[1:])
