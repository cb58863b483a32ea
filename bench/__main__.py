"""`python -m bench [NAME ...] [--out FILE]`: run the benchmarks, by default all."""

import argparse
import contextlib
import importlib
import io
import pathlib
import platform
import re
import sys
import time
from typing import TextIO

NAMES = sorted(path.stem for path in pathlib.Path(__file__).parent.glob("bench_*.py"))


class Both(io.TextIOBase):
    """Print what is written, and remember it."""

    def __init__(self, shown: TextIO) -> None:
        self.shown, self.kept = shown, io.StringIO()

    def write(self, text: str) -> int:
        """Write to both."""
        self.shown.write(text)
        return self.kept.write(text)

    def flush(self) -> None:
        """Show what is printed at once."""
        self.shown.flush()


def main(wanted: list[str], out: pathlib.Path | None = None) -> None:
    """Run the benchmarks called `wanted`, and keep what each prints in the file `out`.

    The sections of other benchmarks stay in the file as they are.
    """
    names = [f"bench_{name}" for name in wanted] or NAMES
    unknown = sorted(set(names) - set(NAMES))
    if unknown:
        known = ", ".join(name.removeprefix("bench_") for name in NAMES)
        sys.exit(f"no benchmark {', '.join(unknown)}; there are: {known}")
    for name in names:
        both = Both(sys.stdout)
        with contextlib.redirect_stdout(both):
            print(f"\n## {name.removeprefix('bench_')}\n")
            print("| what | reached | at least / at most |\n| --- | --- | --- |")
            importlib.import_module(f"bench.{name}").main()
        if out:
            keep(out, both.kept.getvalue())


def keep(out: pathlib.Path, section: str) -> None:
    """Replace the section with the same title, and add machine and day."""
    before = out.read_text("utf-8") if out.is_file() else ""
    parts = {_title(part): part for part in re.split(r"^(?=## )", before, flags=re.M)}
    day = time.strftime("%Y-%m-%d")
    where = f"On {platform.node()} ({platform.machine()}), {day}."
    parts[_title(section.strip())] = f"{section.strip()}\n\n{where}\n\n"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text("".join(parts.values()), "utf-8")


def _title(part: str) -> str:
    return part.partition("\n")[0]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--out", type=pathlib.Path, help="a Markdown file for reports")
    options = parser.parse_args()
    main(options.names, options.out)
