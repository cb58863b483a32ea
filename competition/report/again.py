"""The commands that make a run again, and what its config changes."""

import json
import shlex
from typing import Any

from competition.core.data import faulty
from competition.core.experiment import configs, runs
from competition.report import words

_BASE = "base"
# Options of `prepare` by their key in the manifest, and their defaults.
_OPTIONS: dict[str, tuple[str, Any]] = {
    "folds": ("--folds", 5),
    "fold_seed": ("--fold-seed", 0),
    "fold_file": ("--fold-file", "None"),
    "faulty": ("--faulty", None),
}
# The manifest keeps the contents of a file but not its name.
_FILES = {"fold_file": "folds.csv", "faulty": "faulty.txt"}


def differences(config: configs.Config) -> list[dict[str, str]]:
    """Return the keys in which a config differs from the default, in words."""
    ours, default = flat(config), flat(configs.load(_BASE))
    return [
        {
            "key": key,
            "value": words.setting(value, key),
            "default": words.setting(default[key], key),
        }
        for key, value in ours.items()
        if value != default[key]
    ]


def tables(config: configs.Config) -> dict[str, dict[str, str]]:
    """Return the whole config in words, table by table; the first has no name."""
    found: dict[str, dict[str, str]] = {"run": {}}
    for key, value in flat(config).items():
        table, _, name = key.rpartition(".")
        found.setdefault(table or "run", {})[name] = words.setting(value, key)
    return found


def commands(run: runs.Run, manifest: dict[str, Any]) -> list[str]:
    """Return the commands that make a run again, each on several lines.

    The run whose rules it takes comes first. A member of a blend that is not an
    experiment gets a command of its own. A file that `prepare` was given has a standard
    name in them, see `_FILES`.
    """
    shipped = {path.stem for path in configs.EXPERIMENTS.glob("*.toml")}
    named: list[runs.Run] = []
    if run.config.members or run.config.gate:
        named = [each for each in runs.members_and_gates(run) if each.name != run.name]
    alone = [each for each in named if each.name not in shipped]
    listed = _rules_first(run, manifest)
    listed += [command for each in alone for command in commands(each, manifest)]
    parts, experiment = _own(run, manifest)
    for member in named:
        if member.name in shipped:
            changed = _changed(member.config, configs.load(member.name), manifest)
            parts += [f"--set {shlex.quote(f'{member.name}:{o}')}" for o in changed]
    if experiment != run.name:
        parts.append(f"--name {shlex.quote(run.name)}")
    # A blend and the run whose rules it takes may need the same runs.
    return [*dict.fromkeys(listed), " \\\n  ".join(parts)]


def _rules_first(run: runs.Run, manifest: dict[str, Any]) -> list[str]:
    """Return the commands of the run whose rules a run takes; none if it has its own.

    If that run is not beside it any more, it is only named.
    """
    if run.config.rules == "none":
        return []
    try:
        return commands(runs.source_of_rules(run), manifest)
    except ValueError:
        return [
            f"# First make the run {run.config.rules}, whose rules this one takes. It "
            f"is not beside {run.name} any more."
        ]


def _own(run: runs.Run, manifest: dict[str, Any]) -> tuple[list[str], str]:
    """Return the parts of a run's command, and the experiment that it begins with."""
    source = shlex.quote(str(manifest.get("source", "DIR")))
    experiment = _nearest(run, manifest)
    parts = [f"python -m competition run --data {source} --experiment {experiment}"]
    options = manifest.get("options", {})
    for key, (option, default) in _OPTIONS.items():
        value = options.get(key, default)
        if value != default:
            is_file = key in _FILES and value not in faulty.LISTS
            text = _FILES[key] if is_file else str(value)
            parts.append(f"{option} {shlex.quote(text)}")
    if options.get("quarantine"):
        parts.append("--quarantine")
    changed = _changed(run.config, configs.load(experiment), manifest)
    return parts + [f"--set {shlex.quote(each)}" for each in changed], experiment


def _nearest(run: runs.Run, manifest: dict[str, Any]) -> str:
    """Return the shipped experiment that a run differs from in the fewest keys."""
    names = sorted(path.stem for path in configs.EXPERIMENTS.glob("*.toml"))

    def distance(name: str) -> tuple[int, bool]:
        changed = _changed(run.config, configs.load(name), manifest)
        return len(changed), name != run.name

    return min(names, key=distance)


def _changed(
    config: configs.Config, other: configs.Config, manifest: dict[str, Any]
) -> list[str]:
    """Return the overrides that turn another config into this one."""
    ours, theirs = flat(config), flat(other)
    settled = {
        # The data decides these values, so they need no override.
        "model.exclusive": manifest.get("exclusive", False),
        "folds": [*runs.present_folds(theirs["folds"], manifest.get("folds", 0))],
    }
    return [
        f"{key}={json.dumps(value, ensure_ascii=False)}"
        for key, value in ours.items()
        if value != theirs[key]
        and not (
            value == settled.get(key) and (key == "folds" or theirs[key] == "auto")
        )
    ]


def flat(config: configs.Config) -> dict[str, Any]:
    """Return the values of a config by their dotted keys."""
    return configs.flat(config.model_dump(mode="json"))
