"""Join the JavaScript modules of templates/ into one script that fetches nothing."""

import pathlib
import re

_IMPORT = re.compile(r'^import .* from "\./([a-z_]+\.js)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?function|class|const)", re.MULTILINE)


def bundle(path: pathlib.Path) -> str:
    """Return a module as one text, with all modules that it imports before it.

    The names at the top of a module must differ from those of all other modules.
    """
    modules: dict[pathlib.Path, str] = {}
    _collect(path, modules)
    return "\n".join(modules.values())


def _collect(path: pathlib.Path, modules: dict[pathlib.Path, str]) -> None:
    text = path.read_text(encoding="utf-8")
    for name in _IMPORT.findall(text):
        if path.parent / name not in modules:
            _collect(path.parent / name, modules)
    modules[path] = _EXPORT.sub("", _IMPORT.sub("", text))
