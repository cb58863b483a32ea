"""Ways to damage a file that the project reads back, each drawn from a generator.

A harm is a function of a path and a `random.Random`; it returns in words what it did.
`HARMS` has them by the kind of file.
"""

import json
import os
import pathlib
import random
import shutil
from collections.abc import Callable
from typing import Any

import h5py
import numpy as np

Harm = Callable[[pathlib.Path, random.Random], str]
VALUES: list[Any] = [
    None,
    "",
    "text",
    -1,
    0,
    1e30,
    float("nan"),
    True,
    [],
    {},
    [[]],
    2**63,
]
LONG = "x" * 20_000
FIELDS = ["", "nan", "-1", "1e308", "text", "1.5", LONG, "\x00", "é", "../../x"]


def flip_bits(path: pathlib.Path, draw: random.Random) -> str:
    data = bytearray(path.read_bytes())
    count = draw.choice([1, 8, 64])
    for _ in range(count):
        data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    path.write_bytes(data)
    return f"{count} bits flipped"


def truncate(path: pathlib.Path, draw: random.Random) -> str:
    data = path.read_bytes()
    length = draw.randrange(len(data))
    path.write_bytes(data[:length])
    return f"cut to {length} of {len(data)} bytes"


def empty(path: pathlib.Path, draw: random.Random) -> str:
    path.write_bytes(b"")
    return "emptied"


def insert_garbage(path: pathlib.Path, draw: random.Random) -> str:
    data = path.read_bytes()
    place = draw.randrange(len(data))
    path.write_bytes(data[:place] + draw.randbytes(50) + data[place:])
    return f"50 random bytes inserted at {place}"


def zero_block(path: pathlib.Path, draw: random.Random) -> str:
    data = bytearray(path.read_bytes())
    start = draw.randrange(len(data))
    data[start : start + 512] = bytes(len(data[start : start + 512]))
    path.write_bytes(data)
    return f"512 zeros at {start}"


def append(path: pathlib.Path, draw: random.Random) -> str:
    with path.open("ab") as file:
        file.write(draw.randbytes(1000))
    return "1,000 random bytes appended"


def make_folder(path: pathlib.Path, draw: random.Random) -> str:
    path.unlink()
    path.mkdir()
    return "made a folder"


def link_to_pipe(path: pathlib.Path, draw: random.Random) -> str:
    pipe = path.with_name("a-pipe")
    os.mkfifo(pipe)
    path.unlink()
    path.symlink_to(pipe)
    return "made a link to a pipe"


def link_to_itself(path: pathlib.Path, draw: random.Random) -> str:
    path.unlink()
    path.symlink_to(path.name)
    return "made a link to itself"


def link_to_device(path: pathlib.Path, draw: random.Random) -> str:
    device = draw.choice(["/dev/null", "/dev/zero"])
    path.unlink()
    path.symlink_to(device)
    return f"made a link to {device}"


def other_encoding(path: pathlib.Path, draw: random.Random) -> str:
    encoding = draw.choice(["utf-16", "utf-32", "utf-8-sig"])
    path.write_bytes(path.read_text("utf-8").encode(encoding))
    return f"written as {encoding}"


def swap_rows(path: pathlib.Path, draw: random.Random) -> str:
    header, *lines = path.read_text("utf-8").splitlines(keepends=True)
    one, other = draw.randrange(len(lines)), draw.randrange(len(lines))
    lines[one], lines[other] = lines[other], lines[one]
    path.write_text(header + "".join(lines), "utf-8")
    return f"rows {one} and {other} swapped"


def drop_row(path: pathlib.Path, draw: random.Random) -> str:
    lines = path.read_text("utf-8").splitlines(keepends=True)
    place = draw.randrange(len(lines))
    del lines[place]
    path.write_text("".join(lines), "utf-8")
    return f"line {place} dropped"


def double_row(path: pathlib.Path, draw: random.Random) -> str:
    lines = path.read_text("utf-8").splitlines(keepends=True)
    place = draw.randrange(len(lines))
    lines.insert(place, lines[place])
    path.write_text("".join(lines), "utf-8")
    return f"line {place} doubled"


def change_field(path: pathlib.Path, draw: random.Random) -> str:
    lines = path.read_text("utf-8").splitlines()
    place = draw.randrange(len(lines))
    fields = lines[place].split(",")
    column, value = draw.randrange(len(fields)), draw.choice(FIELDS)
    fields[column] = value
    lines[place] = ",".join(fields)
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return f"line {place}, field {column} is {value[:20]!r}"


def swap_columns(path: pathlib.Path, draw: random.Random) -> str:
    rows = [line.split(",") for line in path.read_text("utf-8").splitlines()]
    one, other = draw.sample(range(len(rows[0])), 2)
    for row in rows[1:]:
        if len(row) > max(one, other):
            row[one], row[other] = row[other], row[one]
    path.write_text("\n".join(",".join(row) for row in rows) + "\n", "utf-8")
    return f"columns {one} and {other} swapped"


def change_value(path: pathlib.Path, draw: random.Random) -> str:
    document = json.loads(path.read_text("utf-8"))
    places = list(_places(document))
    parent, key = draw.choice(places)
    value = draw.choice(VALUES)
    parent[key] = value
    path.write_text(json.dumps(document), "utf-8")
    return f"{key!r} is {value!r}"


def drop_key(path: pathlib.Path, draw: random.Random) -> str:
    document = json.loads(path.read_text("utf-8"))
    parent, key = draw.choice(list(_places(document)))
    del parent[key]
    path.write_text(json.dumps(document), "utf-8")
    return f"{key!r} dropped"


def reverse_list(path: pathlib.Path, draw: random.Random) -> str:
    document = json.loads(path.read_text("utf-8"))
    lists = [(p, k) for p, k in _places(document) if isinstance(p[k], list)]
    if not lists:
        return drop_key(path, draw)
    parent, key = draw.choice(lists)
    parent[key].reverse()
    path.write_text(json.dumps(document), "utf-8")
    return f"{key!r} reversed"


def other_document(path: pathlib.Path, draw: random.Random) -> str:
    value = draw.choice([*VALUES, "deep"])
    text = "[" * 100_000 if value == "deep" else json.dumps(value)
    path.write_text(text, "utf-8")
    return f"the document is {str(value)[:20]!r}"


def _places(document: Any) -> Any:
    items: Any = ()
    if isinstance(document, dict):
        items = list(document.items())
    elif isinstance(document, list):
        items = list(enumerate(document))
    for key, value in items:
        yield document, key
        yield from _places(value)


def change_toml(path: pathlib.Path, draw: random.Random) -> str:
    lines = path.read_text("utf-8").splitlines()
    places = [number for number, line in enumerate(lines) if "=" in line]
    place = draw.choice(places)
    key = lines[place].partition("=")[0]
    value = draw.choice(
        ["nan", "-1", "1e20", '"text"', "[]", "true", "{}", "[" * 50_000]
    )
    lines[place] = f"{key}= {value}"
    path.write_text("\n".join(lines), "utf-8")
    return f"{key.strip()} is {value[:20]}"


def other_array(path: pathlib.Path, draw: random.Random) -> str:
    array = np.load(path)
    change = draw.choice(
        ["order", "type", "turned", "short", "object", "scalar", "huge"]
    )
    if change == "order":
        data = path.read_bytes()
        path.write_bytes(data.replace(b"'<u2'", b"'>u2'").replace(b"'|u1'", b"'|i1'"))
        return "the header names another type"
    if change == "huge":
        data, shape = path.read_bytes(), str(array.shape[0]).encode()
        path.write_bytes(data.replace(b"(" + shape, b"(" + b"9" * len(shape), 1))
        return "the header names more slices"
    changed = {
        "type": lambda: array.astype(np.float64),
        "turned": lambda: np.ascontiguousarray(np.moveaxis(array, 0, 1)),
        "short": lambda: array[:-1],
        "object": lambda: np.array([None, "x"], object),
        "scalar": lambda: np.float32(1),
    }[change]()
    np.save(path, changed, allow_pickle=True)
    return f"another array: {change}"


def other_arrays(path: pathlib.Path, draw: random.Random) -> str:
    with np.load(path, allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    name = draw.choice(sorted(arrays))
    change = draw.choice(["gone", "float", "short", "object", "extra"])
    if change == "gone":
        del arrays[name]
    elif change == "float" and arrays[name].dtype.kind in "iuf":
        arrays[name] = np.full(arrays[name].shape, np.nan)
    elif change == "short" and arrays[name].ndim:
        arrays[name] = arrays[name][:-1]
    elif change == "object":
        arrays[name] = np.array([None, "x"], object)
    else:
        arrays["other"] = np.zeros(3)
    np.savez(path, **arrays)
    return f"{name!r}: {change}"


def other_weights(path: pathlib.Path, draw: random.Random) -> str:
    with h5py.File(path, "r+") as file:
        names: list[str] = []
        file.visititems(
            lambda name, item: (
                names.append(name) if isinstance(item, h5py.Dataset) else None
            )
        )
        name = draw.choice(names)
        change = draw.choice(["nan", "inf", "gone", "shape", "noise"])
        data = file[name][()]
        if change == "nan":
            data.flat[draw.randrange(data.size)] = np.nan
            file[name][()] = data
        elif change == "inf":
            data.flat[draw.randrange(data.size)] = np.inf
            file[name][()] = data
        elif change == "noise":
            file[name][()] = np.random.default_rng(0).normal(size=data.shape)
        else:
            del file[name]
            if change == "shape":
                file[name] = np.zeros((2, 3), np.float32)
    return f"{name}: {change}"


def other_file(path: pathlib.Path, draw: random.Random) -> str:
    others = [
        each for each in sorted(path.parent.parent.rglob(path.name)) if each != path
    ]
    others += [
        each
        for each in sorted(path.parent.glob(f"*{path.suffix}"))
        if each != path and each.is_file()
    ]
    if not others:
        return flip_bits(path, draw)
    other = draw.choice(others)
    shutil.copyfile(other, path)
    return f"replaced by {other.parent.name}/{other.name}"


BYTES: list[Harm] = [flip_bits, flip_bits, truncate, empty, insert_garbage, zero_block,
         append, make_folder, link_to_pipe, link_to_itself, link_to_device]  # fmt: skip
TABLE: list[Harm] = [*BYTES, other_encoding, swap_rows, drop_row, double_row,
         change_field, change_field, change_field, swap_columns]  # fmt: skip
DOCUMENT: list[Harm] = [*BYTES, other_encoding, change_value, change_value,
         change_value, drop_key, drop_key, reverse_list, other_document]  # fmt: skip
HARMS: dict[str, list[Harm]] = {
    "bytes": BYTES,
    "csv": TABLE,
    "json": DOCUMENT,
    "toml": [*BYTES, other_encoding, drop_row, change_toml, change_toml],
    "npy": [*BYTES, other_array, other_array, other_array, other_file],
    "npz": [*BYTES, other_arrays, other_arrays, other_file],
    "h5": [*BYTES, other_weights, other_weights, other_weights, other_file],
}
