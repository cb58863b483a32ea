"""The backend that Keras will compute on, known before Keras is imported."""

import importlib.util
import json
import os
import pathlib

BACKENDS = "tensorflow", "jax"


def check() -> None:
    """Raise an error where Keras would compute on a backend that cannot be used."""
    name, source = chosen()
    if name not in BACKENDS:
        raise ValueError(
            f"Keras is set to compute on {name}, by {source}. Expected one of "
            f"{', '.join(BACKENDS)}. Set KERAS_BACKEND to one of them."
        )
    if importlib.util.find_spec(name) is None:
        others = [each for each in BACKENDS if importlib.util.find_spec(each)]
        instead = f", or set KERAS_BACKEND={others[0]}" if others else ""
        raise ValueError(
            f"Keras is set to compute on {name}, by {source}, and {name} is not "
            f"installed. Installed: {', '.join(others) or 'no backend'}. "
            f"Install {name}{instead}."
        )


def keras_home() -> pathlib.Path:
    """Return the folder in which Keras has its settings and what it downloads."""
    return pathlib.Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser()


def chosen() -> tuple[str, str]:
    """Return the backend's name and what chose it, as Keras reads them."""
    variable = os.environ.get("KERAS_BACKEND")
    if variable:
        return variable, "KERAS_BACKEND"
    path = keras_home() / "keras.json"
    try:
        settings = json.loads(path.read_text("utf-8"))
        return settings["backend"], str(path)
    # Keras ignores a file that it cannot use.
    except (OSError, ValueError, KeyError, TypeError):
        return "tensorflow", "default"
