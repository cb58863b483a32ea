"""Kaggle's rules for names and sizes, checked before anything is sent."""

import pathlib
import re

# The client's limit for datasets; its limit for kernels is wider.
LONGEST = 50
CODE_BYTES = 1_000_000
DATASET_BYTES = 100 * 2**30


def slug(title: str) -> str:
    """Return the slug that Kaggle makes of a title: "UWM unet" -> "uwm-unet"."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def title(name: str, *, ending: str) -> str:
    """Return the title "UWM <name> <ending>"; raise an error if it is too long.

    Characters other than letters and digits become a space, so that "v1.5" and "v15"
    stay different.
    """
    words = re.findall(r"[A-Za-z0-9]+", name)
    if not words:
        raise ValueError(
            "A run's title on Kaggle is made of the letters a to z and digits of its "
            f"name. Received: {name!r}, which has none. Give the run another `name`."
        )
    text = " ".join(["UWM", *words, ending])
    if len(text) > LONGEST:
        room = len(name) - (len(text) - LONGEST)
        raise ValueError(
            f"A title on Kaggle has at most {LONGEST} characters. Received: {text!r}, "
            f"{len(text)}. Give the run a `name` of at most {room}."
        )
    return text


def check_user(user: str) -> None:
    """Refuse a Kaggle user name that cannot be part of an id."""
    if not re.fullmatch(r"[A-Za-z0-9](-?[A-Za-z0-9])*", user):
        raise ValueError(
            "`user` expects the user name as in kaggle.com/USER: letters, digits and "
            f"single hyphens. Received: {user!r}."
        )


def check_source(id: str) -> str:
    """Return the id of an earlier kernel; refuse one that is not user/slug."""
    user, slash, end = id.partition("/")
    if not slash or end != slug(end) or not 5 <= len(end) <= LONGEST:
        raise ValueError(
            f"`--from` expects user/slug, the slug of 5 to {LONGEST} lower-case "
            f"letters, digits and hyphens. Received: {id!r}."
        )
    check_user(user)
    return id


def check_sizes(dataset: pathlib.Path, code: pathlib.Path) -> int:
    """Return the bytes of a dataset; refuse too many, or too much code."""
    total = sum(each.stat().st_size for each in dataset.rglob("*") if each.is_file())
    sizes = (dataset, total, DATASET_BYTES), (code, code.stat().st_size, CODE_BYTES)
    for path, size, limit in sizes:
        if size > limit:
            raise ValueError(
                f"{path}: Kaggle takes at most {limit:,} bytes. Received: {size:,}. "
                "Bundle fewer folds or members."
            )
    return total
