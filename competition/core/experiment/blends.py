"""The members and gates of an experiment, which are experiments of their own."""

from competition.core.experiment import configs, layout, runs


def load(experiment: str, overrides: tuple[str, ...] = ()) -> dict[str, configs.Config]:
    """Load the members and gates of an experiment by name, each after its own gates.

    A name is that of a TOML beside the experiment's, or else of a shipped experiment.
    Any other name is left out: it must be that of a run.
    """
    return {
        name: configs.load(found, configs.of_member(overrides, name))
        for name, found in experiments(experiment, overrides).items()
    }


def experiments(experiment: str, overrides: tuple[str, ...] = ()) -> dict[str, str]:
    """Return the experiment, a name or a path, of each member and gate, as `load`."""
    by_name: dict[str, str] = {}
    visited = set()

    def visit(naming: str, config: configs.Config) -> None:
        for name in (*config.gate, *config.members):
            found = _find(naming, layout.plain(name))
            if not found and (own := configs.own_of_member(overrides, name)):
                raise ValueError(
                    f"The override {name}:{own[0]} is for a run that was trained "
                    f"before: there is no experiment {name} to change. Leave it out, "
                    f"or put a TOML of this name beside that of {naming}."
                )
            if found and name not in visited:
                visited.add(name)
                visit(found, configs.load(found, configs.of_member(overrides, name)))
                by_name[name] = found

    visit(experiment, configs.load(experiment, overrides))
    return by_name


def start(
    dataset: layout.DatasetFiles,
    experiment: str,
    overrides: tuple[str, ...] = (),
    *,
    name: str,
) -> None:
    """Make the runs of an experiment's members and gates, which it predicts with.

    One that has begun with another config is an error. `name` is that of the
    experiment's own run: where it names itself, starting that run is an error.
    """
    for member, config in load(experiment, overrides).items():
        if member != name:
            runs.start(dataset, member, config)


def _find(naming: str, name: str) -> str | None:
    """Return the experiment that another one, given by name or path, calls `name`."""
    beside = configs.find(naming).with_name(f"{name}.toml")
    if beside.is_file():
        return str(beside)
    return name if (configs.EXPERIMENTS / beside.name).is_file() else None
