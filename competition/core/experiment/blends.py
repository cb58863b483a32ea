"""Load and start the members and gates of an experiment, which are experiments too."""

from competition.core import console
from competition.core.experiment import configs, faults, layout, override, starting


def load(experiment: str, overrides: tuple[str, ...] = ()) -> dict[str, configs.Config]:
    """Load the configs of an experiment's members and gates, each after its own gates.

    A name is looked up as a TOML beside the experiment's, then as a shipped experiment.
    Any other name is left out: it must be the name of a run.
    """
    found = _find_all(experiment, overrides)
    return {name: config for name, (_, config) in found.items()}


def experiments(experiment: str, overrides: tuple[str, ...] = ()) -> dict[str, str]:
    """Return the experiment of each member and gate that `load` finds: name or path."""
    found = _find_all(experiment, overrides)
    return {name: member for name, (member, _) in found.items()}


def _find_all(
    experiment: str, overrides: tuple[str, ...]
) -> dict[str, tuple[str, configs.Config]]:
    """Return the experiment of each member and gate by its name, and its config."""
    by_name: dict[str, tuple[str, configs.Config]] = {}
    visited = set()

    def visit(naming: str, config: configs.Config) -> None:
        for name in (*config.gate, *config.members):
            found = _find(naming, layout.plain(name))
            if not found and (own := override.own_of_member(overrides, name)):
                raise ValueError(
                    f"The override {name}:{own[0]} is for a run that was trained "
                    f"before: there is no experiment {name} to change. Leave it out, "
                    f"or put a TOML of this name beside that of {naming}."
                )
            if found and name not in visited:
                visited.add(name)
                member = _load_member(found, overrides, name)
                visit(found, member)
                by_name[name] = found, member

    visit(experiment, configs.load(experiment, overrides))
    return by_name


def start(
    dataset: layout.DatasetFiles,
    experiment: str,
    overrides: tuple[str, ...] = (),
    *,
    name: str,
) -> None:
    """Create the runs of an experiment's members and gates.

    A run that has begun with another config is an error. `name` is the experiment's own
    run; it is not started here. A warning tells of `rules` from an unknown run.
    """
    loaded = load(experiment, overrides)
    for config in (configs.load(experiment, overrides), *loaded.values()):
        _check_rules(dataset, experiment, config.rules)
    for member, config in loaded.items():
        if member != name:
            starting.start(dataset, member, config)


def _load_member(found: str, overrides: tuple[str, ...], name: str) -> configs.Config:
    """Load a member; an error lists the overrides for all runs that apply to it."""
    given, own = (
        of(overrides, name) for of in (override.of_member, override.own_of_member)
    )
    try:
        return configs.load(found, given)
    except ValueError as error:
        if given == own:
            raise
        raise ValueError(
            f"{error}\nThis experiment is {name}, to which the overrides of all runs "
            f"apply: {', '.join(given[: len(given) - len(own)])}. Change its other "
            f"keys to fit with `--set {name}:KEY=VALUE`, or set these only for the "
            "members that they suit, as MEMBER:KEY=VALUE."
        ) from None


def _check_rules(dataset: layout.DatasetFiles, naming: str, rules: str) -> None:
    """Warn if `rules` names neither a run nor an experiment."""
    if rules == "none" or dataset.run(rules).config.is_file() or _find(naming, rules):
        return
    names = [path.parent.name for path in dataset.root.glob("runs/*/config.json")]
    names += [path.stem for path in configs.EXPERIMENTS.glob("*.toml")]
    console.warn(
        f"`rules` is {rules!r}, which is neither a run in {dataset.root / 'runs'} nor "
        f"an experiment: no rules can be taken from it.{faults.nearest(rules, names)} "
        "Set `rules` to the run of the same experiment with folds, or train that run "
        "under this name; `rules` may also be set after the training."
    )


def _find(naming: str, name: str) -> str | None:
    """Return the experiment that another one, given by name or path, calls `name`."""
    beside = configs.find(naming).with_name(f"{name}.toml")
    if beside.is_file():
        return str(beside)
    return name if (configs.EXPERIMENTS / beside.name).is_file() else None
