"""The import rules, read from the sources; and what a light command may load."""

import ast
import pathlib
import subprocess
import sys

import pytest

PACKAGE = pathlib.Path(__file__).parents[1] / "competition"
FRAMEWORKS = {"tensorflow", "keras", "jax", "tensorflow_addons", "tf_keras"}
HEAVY = {"scipy", "sklearn", "pandas", "cv2"}
STEPS = {
    "prepare", "train", "predict", "decide", "submit", "validate", "score", "report",
}  # fmt: skip
# A room is a folder whose `__init__.py` is its only door: what else lies in it is
# private to it. Commands that are made of several files are rooms as well.
ROOMS = {
    "prepare", "train", "decide", "submit", "report", "ledger", "cluster",
    "study.audit", "study.baseline", "study.plan", "study.search", "study.watch",
    "sources.phantom", "sources.convert", "kernel.build", "kernel.rehearse",
    "core.storage",
}  # fmt: skip
SLOW = FRAMEWORKS | HEAVY | {"optuna", "ray", "fsspec"}
# A part may import the parts right of it.
LEVELS = [
    {"__main__"}, {"commands"}, {"pipeline", "kernel", "new_volumes"}, {"opening"},
    STEPS | {"ledger"}, {"sources", "study"}, {"cluster"}, {"machine", "net"}, {"core"},
]  # fmt: skip
MODULES = sorted(PACKAGE.rglob("*.py"))


def imported(path: pathlib.Path, *, top_only: bool) -> set[str]:
    """The dotted names that a file imports; `top_only` leaves out late imports."""
    tree = ast.parse(path.read_text("utf-8"))
    nodes = tree.body if top_only else list(ast.walk(tree))
    names = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def part_of(path: pathlib.Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def level(part: str) -> int:
    return next(place for place, parts in enumerate(LEVELS) if part in parts)


@pytest.mark.parametrize(
    "path", MODULES, ids=lambda p: p.relative_to(PACKAGE).as_posix()
)
def test_imports_go_one_way(path):
    part = part_of(path)
    if part == "__init__":
        assert not imported(path, top_only=False)
        return
    for name in imported(path, top_only=False):
        pieces = name.split(".")
        if pieces[0] != "competition":
            continue
        other = pieces[1]
        if other == part:
            continue
        assert part not in STEPS or other not in STEPS, "steps never import each other"
        assert level(part) <= level(other), f"{part} must not import {other}"


def module_of(path: pathlib.Path) -> str:
    """The dotted name below the package: "decide", "net.input.samples"."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


@pytest.mark.parametrize(
    "path", MODULES, ids=lambda p: p.relative_to(PACKAGE).as_posix()
)
def test_a_room_is_entered_by_its_door(path):
    inside = {module_of(module) for module in MODULES}
    for name in imported(path, top_only=False):
        other = name.removeprefix("competition.")
        room = next((room for room in ROOMS if other.startswith(f"{room}.")), None)
        if room is None or f"{module_of(path)}.".startswith(f"{room}."):
            continue
        private = other in inside or other.rpartition(".")[0] in inside - ROOMS
        assert not private, f"{other} is private to {room}"


def test_every_step_with_a_folder_is_a_room():
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert folders & STEPS <= ROOMS


@pytest.mark.parametrize(
    "path", MODULES, ids=lambda p: p.relative_to(PACKAGE).as_posix()
)
def test_frameworks_are_imported_in_net_alone(path):
    if part_of(path) == "net":
        return
    assert (
        not {name.split(".")[0] for name in imported(path, top_only=False)} & FRAMEWORKS
    )


def test_tensorflow_is_imported_by_its_backend_and_the_engine_addons_alone():
    users = [
        path.relative_to(PACKAGE).as_posix()
        for path in MODULES
        if any(
            name.split(".")[0] == "tensorflow"
            for name in imported(path, top_only=False)
        )
    ]
    assert users == ["net/augment/augment_addons.py", "net/tensorflow_backend.py"]


@pytest.mark.parametrize(
    "path", MODULES, ids=lambda p: p.relative_to(PACKAGE).as_posix()
)
def test_what_needs_tensorflow_is_imported_only_inside_functions(path):
    names = imported(path, top_only=True)
    assert not [
        name
        for name in names
        if name.endswith(("tensorflow_backend", "augment_addons"))
    ]


@pytest.mark.parametrize(
    "library, room",
    [
        ("optuna", "study/search/trials.py"),
        ("ray", "cluster/"),
        ("fsspec", "core/storage/remote.py"),
    ],
)
def test_one_room_alone_imports_a_library(library, room):
    users = [
        path.relative_to(PACKAGE).as_posix()
        for path in MODULES
        if any(name.split(".")[0] == library for name in imported(path, top_only=False))
    ]
    assert users and all(user.startswith(room) for user in users)


@pytest.mark.parametrize(
    "path", MODULES, ids=lambda p: p.relative_to(PACKAGE).as_posix()
)
def test_ray_and_fsspec_are_imported_only_inside_functions(path):
    names = imported(path, top_only=True)
    assert not {"ray", "fsspec"} & {name.split(".")[0] for name in names}


@pytest.mark.parametrize(
    "path",
    [path for path in MODULES if part_of(path) == "core"],
    ids=lambda p: p.name,
)
def test_core_imports_heavy_libraries_only_inside_functions(path):
    assert not {name.split(".")[0] for name in imported(path, top_only=True)} & HEAVY


@pytest.mark.parametrize("step", sorted(STEPS))
def test_net_is_imported_only_inside_step_functions(step):
    paths = [path for path in MODULES if part_of(path) == step]
    assert paths
    for path in paths:
        names = imported(path, top_only=True)
        assert not any(name.startswith("competition.net") for name in names), path


@pytest.mark.parametrize(
    ("code", "slow"),
    [
        ("import competition.commands.app", SLOW | {"numpy", "pydantic"}),
        ("import competition.pipeline", SLOW),
        ("import competition.score, competition.validate", SLOW),
    ],
)
def test_light_commands_load_no_slow_library(code, slow):
    check = f"import sys; {code}; print(*{slow!r} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", check], capture_output=True, encoding="utf-8", check=True
    )
    assert done.stdout.split() == []
