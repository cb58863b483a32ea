"""The results as tables; `python -m bench.gpu.tables FILE` prints those of a file."""

import json
import pathlib
import sys
from collections.abc import Iterable
from typing import Any

from bench.gpu import expected, flops

Result = dict[str, Any]
ENDS = {"left out", "cut short", "failed"}


def markdown(results: list[Result]) -> str:
    """Return all tables that the results allow."""
    device = next((each for each in results if each["kind"] == "device"), {})
    parts = [
        _device(device),
        _table("Correct", _correct(results), "what | reached | wanted"),
        _table("Not finished", _unfinished(results), "part | how it ended | why"),
        _table(
            "Training step, on a batch that is on the device",
            _steps(results, device),
            "framework | network | input | batch | precision | augmented | scans on | "
            "ms | +- | images/s | TFLOP/s | of peak | memory GB | first step s",
        ),
        _table(
            "Beside PyTorch (its faster way)",
            _ratios(results),
            "input | batch | Keras images/s | PyTorch images/s | ratio (wanted: 1.3)",
        ),
        _table(
            "Through `fit`, with its input",
            _fits(results),
            "network | augmented | scans on | ms | of the bare step's rate (0.98)",
        ),
        _table(
            "Expected on other cards: extrapolated by FLOPs and by bandwidth",
            expected.rows(results, device),
            "network | card | epoch | fold | all folds",
        ),
    ]
    return "\n".join(part for part in parts if part)


def _device(device: Result) -> str:
    if not device:
        return "The device was not measured.\n"
    return (
        "{count} x {device} ({platform}): {dtype} products at {tflops:.3g} TFLOP/s, "
        "copies at {gb_s:.3g} GB/s; Python {python}, JAX {jax}, Keras {keras}, NumPy "
        "{numpy}.\n"
    ).format(**device)


def _table(title: str, rows: Iterable[list[str]], columns: str) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    if not lines:
        return ""
    rule = " | ".join("---" for _ in columns.split(" | "))
    return "\n".join([f"## {title}\n", f"| {columns} |", f"| {rule} |", *lines, ""])


def _correct(results: list[Result]) -> list[list[str]]:
    rows = []
    for each in results:
        if each["kind"] == "tests" and "passed" in each:
            said = f"{each['passed']} pass, {each['failed']} fail"
            failures = "; ".join(each["failures"])
            rows.append([each["file"], f"{said} {failures}".strip(), "all pass"])
        elif each["kind"] == "smoke":
            score = "no score" if each["score"] is None else f"{each['score']:.4f}"
            wanted = (
                f">= {each['wanted']}" if each["wanted"] else "a score, at toy size"
            )
            rows.append([f"smoke in {each['precision']}", score, wanted])
        elif each["kind"] == "memory":
            how = "filled" if each["is_real"] else "said to be full"
            said = f"batch halved {each['halvings']} times"
            rows.append([f"memory that is {how}", said, "at least once"])
    return rows


def _unfinished(results: list[Result]) -> list[list[str]]:
    rows = [
        [each["part"], each["kind"], str(each.get("why", ""))[-300:].replace("|", "/")]
        for each in results
        if each["kind"] in ENDS
    ]
    notes = [
        [each["part"], "passed over", each["text"]]
        for each in results
        if each["kind"] == "note"
    ]
    return rows + notes


def _steps(results: list[Result], device: Result) -> Iterable[list[str]]:
    known = flops.card(device.get("device", ""))
    for each in results:
        if each["kind"] != "step":
            continue
        peak = known[0] if known else device.get("tflops", 0)
        share = f"{each['tflops'] / peak:.1%}" if peak else "-"
        mode = f" ({each['mode']})" if "mode" in each else ""
        yield [
            each["framework"] + mode,
            each["experiment"],
            each["size"],
            str(each["batch"]),
            each["precision"],
            "yes" if each["engine"] == "device" else "no",
            each["place"],
            f"{each['ms']:.2f}",
            f"{each['spread']:.1%}",
            f"{each['images_s']:,.0f}",
            f"{each['tflops']:.3g}",
            share if known else f"{share} of the measured",
            f"{each['memory_gb']:.2f}" if each["memory_gb"] else "-",
            f"{each['compile_s']:.0f}",
        ]


def _ratios(results: list[Result]) -> Iterable[list[str]]:
    best: dict[tuple[str, int], dict[str, float]] = {}
    for each in results:
        if each["kind"] == "step" and each["part"].startswith(("Keras,", "PyTorch,")):
            rates = best.setdefault((each["size"], each["batch"]), {})
            name = each["framework"]
            rates[name] = max(rates.get(name, 0.0), each["images_s"])
    for (size, batch), rates in best.items():
        if len(rates) == 2:
            ours, theirs = rates["Keras"], rates["PyTorch"]
            ratio = f"{ours / theirs:.2f}"
            yield [size, str(batch), f"{ours:,.0f}", f"{theirs:,.0f}", ratio]


def _fits(results: list[Result]) -> Iterable[list[str]]:
    for each in results:
        if each["kind"] == "fit":
            yield [
                each["experiment"],
                "yes" if each["engine"] == "device" else "no",
                each["place"],
                f"{each['ms']:.2f}",
                f"{each['of_bare']:.2f}",
            ]


if __name__ == "__main__":
    print(markdown(json.loads(pathlib.Path(sys.argv[1]).read_text("utf-8"))))
