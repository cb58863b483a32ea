"""The commands of the first two steps: prepare the data, and train."""

import functools
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer

from competition.commands import options, output
from competition.core.experiment import layout
from competition.machine import host_process, process

app = typer.Typer()


@app.command(**options.example("prepare", options.PHANTOM))
def prepare_data(
    data: options.Data,
    work: options.Work = layout.WORK,
    folds: options.Folds = None,
    fold_seed: options.FoldSeed = None,
    fold_file: options.FoldFile = None,
    faulty: options.Faulty = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Re-check the checksum of every file.")
    ] = False,
    quarantine: options.Quarantine = None,
    as_json: options.Json = False,
) -> None:
    """Decode annotations and slices into arrays, and split the cases into folds.

    An option that you leave out keeps its value of the last call.
    """
    from competition import pipeline, prepare

    given = prepare.PrepareOptions(
        folds, fold_seed, fold_file, faulty, quarantine=quarantine
    )
    manifest = pipeline.prepare(data, work=work, options=given, verify=verify)
    output.result(manifest, as_json, output.prepared)


@app.command(**options.example("train", options.PHANTOM, "--experiment smoke --fold 0"))
def train_folds(
    data: options.OptionalData = None,
    experiment: options.OptionalExperiment = None,
    run: options.RunFolder = None,
    work: options.Work = layout.WORK,
    fold: options.Fold = None,
    budget: options.Budget = None,
    override: options.Set = None,
    name: options.Name = None,
    cluster: options.Cluster = None,
    coordinator: options.Coordinator = None,
    hosts: options.Hosts = None,
    host: options.Host = None,
    as_json: options.Json = False,
) -> None:
    """Train the experiment's folds; a killed training goes on where it stopped.

    Its members and gates are trained too. --run trains the run in a folder, which knows
    its experiment and its data, without its gates. Several hosts train one network
    together if each makes the same call with its own --host.
    """
    from competition import opening, train
    from competition.cluster import opened as connected

    if run and not (data or experiment or override or name):
        step = train.alone
        find: Callable[[], Any] = functools.partial(opening.open_run, run)
    elif data and experiment and not run:
        step = train.run
        find = functools.partial(
            opening.open_training, experiment, data=data, work=work,
            overrides=tuple(override or ()), name=name,
        )  # fmt: skip
    else:
        raise typer.BadParameter("give either --data and --experiment, or --run alone")
    if not coordinator and (hosts or host is not None):
        raise typer.BadParameter("give --hosts and --host with --coordinator")
    if coordinator and cluster:
        raise typer.BadParameter("give either --coordinator or --cluster")
    place = host_process.Place(coordinator, hosts, host) if coordinator else None
    if place and not process.is_child():
        sys.stdout.write(host_process.run(sys.argv[1:], place))
        return
    from competition.net import hosts as all_hosts

    with all_hosts.joined(place), connected(cluster) as nodes:
        opened = all_hosts.together(find)
        result = step(*opened, fold=fold, budget=budget, nodes=nodes)
        is_first = all_hosts.is_first()
    if is_first:
        output.result(result, as_json, output.trained)
