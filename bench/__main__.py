"""`python -m bench [NAME ...]`: run the benchmarks, all of them by default."""

import importlib
import pathlib
import sys

NAMES = sorted(path.stem for path in pathlib.Path(__file__).parent.glob("bench_*.py"))


def main(wanted: list[str]) -> None:
    """Run the benchmarks called `wanted`."""
    names = [f"bench_{name}" for name in wanted] or NAMES
    unknown = sorted(set(names) - set(NAMES))
    if unknown:
        known = ", ".join(name.removeprefix("bench_") for name in NAMES)
        sys.exit(f"no benchmark {', '.join(unknown)}; there are: {known}")
    for name in names:
        print(f"\n## {name.removeprefix('bench_')}\n")
        print("| what | reached | at least / at most |\n| --- | --- | --- |")
        importlib.import_module(f"bench.{name}").main()


if __name__ == "__main__":
    main(sys.argv[1:])
