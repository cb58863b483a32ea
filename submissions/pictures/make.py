"""Make the pictures of README and docs from the present state: `make pictures`.

All are of phantoms, whose data, runs and audits are kept below `work/` and made where
they are missing. A function and a line in `PICTURES` add one.
"""

import csv
import functools
import io
import pathlib
import re
import sys
import tempfile
from collections.abc import Callable

import numpy as np
import SimpleITK
from rich import console
from scipy import spatial

from bench import chromium
from competition import opening, pipeline
from competition.core import files, masks, rle, scores
from competition.core.data import images, mask_csv, png
from competition.core.experiment import history, layout, runs
from competition.core.pages import examples, pictures, stills
from competition.sources import convert, phantom
from competition.study import audit
from competition.study import watch as step

HERE = pathlib.Path(__file__).parent
WHITE, GREY = "#d7dbe2", "#aab1bd"


@functools.cache
def smoke(work: pathlib.Path) -> tuple[layout.DatasetFiles, runs.Run]:
    """Return the run that `make run` makes, and its data; what is done stays."""
    phantom.write(work / "phantom", small=True)
    data, truth = work / "phantom" / "competition", work / "phantom" / "solution.csv"
    pipeline.run("smoke", data=data, work=work, truth=truth)
    return opening.open_experiment("smoke", data=data, work=work)


def prediction(work: pathlib.Path) -> bytes:
    """Draw slices of the worst and the median scan with truth and prediction."""
    dataset, run = smoke(work)
    oof = scores.read(run.files.score)["oof"]
    scans, words = examples.scans(oof)[:2], examples.words(oof)
    return pictures.contact_sheet(dataset, run, scans, words=words)


def curves(work: pathlib.Path) -> bytes:
    """Draw loss and score of all folds."""
    _, run = smoke(work)
    return stills.draw(run)["curves"]


def watch(work: pathlib.Path) -> bytes:
    """Draw the terminal as `watch` showed it in the middle of the last fold."""
    _, run = smoke(work)
    *done, last = run.config.folds
    out = console.Console(
        record=True, width=104, force_terminal=True, file=io.StringIO()
    )
    with tempfile.TemporaryDirectory() as folder:
        then = layout.RunFiles(pathlib.Path(folder) / run.name)
        files.write_bytes(then.config, run.files.config.read_bytes())
        for fold in run.config.folds:
            rows = history.read(run.files.history(fold))
            history.write(then.history(fold), rows if fold in done else rows[:-2])
            if fold in done:
                then.weights(fold).touch()
        now = rows[-2]
        beat = {
            "doing": "training", "epoch": now["epoch"], "step": 2, "steps": 5,
            "seconds": 0.4 * now["seconds"], "loss": now["loss"],
            "memory": now.get("memory"),
        }  # fmt: skip
        files.write_json(then.heartbeat(last), beat)
        step.run(then.root, once=True, out=out)
    drawn = out.export_svg(title="python -m competition watch")
    # Its font would be fetched from the net; any of fixed width will do.
    return re.sub(r"@font-face \{.*?\}\s*", "", drawn, flags=re.DOTALL).encode()


# The slice of the open scan that holds most: a picture is to show outlines.
FULLEST = """() => {
  const viewer = document.querySelector("section.viewer").viewer;
  const pixels = viewer.slices.map(({ truth }) => truth.reduce((a, b) => a + b));
  viewer.go(pixels.indexOf(Math.max(...pixels)));
}"""


def report(work: pathlib.Path) -> bytes:
    """Draw the page about the run."""
    return _screenshot(work, {"width": 1200, "height": 1180}, "light")


def report_phone(work: pathlib.Path) -> bytes:
    """Draw the viewer as a telephone at night shows it."""
    return _screenshot(work, {"width": 390, "height": 900}, "dark", at=".planes")


def _screenshot(
    work: pathlib.Path, size: dict[str, int], scheme: str, at: str = "body"
) -> bytes:
    from playwright import sync_api

    path = chromium.find()
    if path is None:
        raise ValueError(
            "The pictures of the report need Chromium, and none is installed. Install "
            "it, such as by `apt-get install chromium`, or name other PICTURES."
        )
    _, run = smoke(work)
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox"]
        )
        page = browser.new_page(viewport=size, color_scheme=scheme)
        page.goto(run.files.report.absolute().as_uri())
        page.wait_for_selector("section.viewer[data-state=ready]")
        page.evaluate(FULLEST)
        at_once = "element => element.scrollIntoView({behavior: 'instant'})"
        page.locator(at).evaluate(at_once)
        drawn = page.screenshot()
        browser.close()
    return drawn


def audited(work: pathlib.Path) -> bytes:
    """Draw the first suspect of each reason in a phantom with planted faults."""
    from matplotlib import figure

    folder = work / "faulty"
    phantom.write(folder, small=True, public=True, faults=True, seed=22)
    dataset = layout.dataset(folder / "competition", folder)
    pipeline.prepare(folder / "competition", work=folder)
    audit.run(dataset)
    with (dataset.root / "audit" / "suspects.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    first = {row["reason"]: rank for rank, row in reversed(list(enumerate(rows)))}
    strips = []
    for rank in sorted(first.values()):
        name = f"{rank + 1:03d}_{rows[rank]['scan']}_{rows[rank]['reason']}.png"
        path = dataset.root / "audit" / "suspects" / name
        strips.append((_caption(rows[rank]), _pixels(path)))
    picture = figure.Figure((9, 2.05 * len(strips)), facecolor="white")
    for axes, (caption, pixels) in zip(
        picture.subplots(len(strips), 1), strips, strict=True
    ):
        axes.imshow(pixels)
        axes.set_anchor("W")
        axes.set_title(caption, fontsize=9, loc="left", pad=4)
        axes.axis("off")
    picture.subplots_adjust(0.01, 0.01, 0.99, 0.97, hspace=0.18)
    return pictures.png(picture, dpi=100)


def _caption(row: dict[str, str]) -> str:
    which = row["class"].replace(" ", " and ") or "all classes"
    first, last = row["first_slice"], row["last_slice"]
    slices = f"slice {first}" if first == last else f"slices {first} to {last}"
    return f"{row['scan']}, {which}, {slices}: {row['words']}"


def _pixels(path: pathlib.Path) -> np.ndarray:
    return SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path)))


def converted(work: pathlib.Path) -> bytes:
    """Draw a volume as it is stored, turned, and a slice that `convert` made of it."""
    from matplotlib import figure

    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        volume, size = _turned(work, root)
        convert.write(root / "images", root / "labels", out=root / "out")
        picture = figure.Figure((11, 3.7), facecolor="black")
        axes = picture.subplots(1, 4, width_ratios=(1, 1, 1, 1.3))
        for place, name in enumerate("kji"):
            plane = np.take(volume, volume.shape[place] // 2, axis=place)
            sides = [each for each in range(3) if each != place]
            aspect = size[sides[0]] / size[sides[1]]
            axes[place].imshow(
                plane, "gray", vmax=np.percentile(plane, 99.5), aspect=aspect
            )
            axes[place].set_title(f"stored {name}, middle", color=WHITE, fontsize=9)
            axes[place].axis("off")
        shown, title = _fullest(root / "out")
        pictures.draw(axes[3], shown, 3)
        axes[3].set_title(title, color=WHITE, fontsize=9)
    for x, side, said in (
        (0.01, "left", "a.nii.gz as it is stored, by its three axes"),
        (0.99, "right", "converted: a slice with the outlines of its labels"),
    ):
        picture.text(x, 0.03, said, color=GREY, fontsize=9, ha=side)
    picture.subplots_adjust(0.01, 0.1, 0.99, 0.91, wspace=0.06)
    return pictures.png(picture, dpi=100)


def _turned(
    work: pathlib.Path, root: pathlib.Path
) -> tuple[np.ndarray, tuple[float, float, float]]:
    """Write a scan of a phantom as NIfTI whose axes are others than the patient's.

    Returns the volume as it is stored and the size of its voxels along its axes.
    """
    data = work / "whole" / "competition"
    phantom.write(data.parent, cases=2, days=1, public=True)
    found = images.find(data, "train")
    scan = [each for each in found if each.scan == found[0].scan]
    rows: dict[str, dict[str, str]] = {}
    for row in mask_csv.read(data / "train.csv", "segmentation"):
        rows.setdefault(row.id, {})[row.class_name] = row.rle
    volume = np.array([png.read(data / each.path, each.shape) for each in scan])
    label = np.zeros(volume.shape, np.uint8)
    for index, each in enumerate(scan):
        for value, name in enumerate(sorted(rows[each.id]), start=1):
            label[index][rle.decode(rows[each.id][name], each.shape) > 0] = value
    # Along the stored axes k, j, i lie x, y from the back, and z.
    size = (1.5, 1.5, 3.0)
    for part, array in (("images", volume), ("labels", label)):
        stored = SimpleITK.GetImageFromArray(array.transpose(2, 1, 0)[:, ::-1])
        stored.SetSpacing(size[::-1])
        stored.SetDirection((0, 0, 1, 0, -1, 0, 1, 0, 0))
        (root / part).mkdir()
        SimpleITK.WriteImage(stored, str(root / part / "a.nii.gz"))
    return volume.transpose(2, 1, 0)[:, ::-1], size


def _fullest(data: pathlib.Path) -> tuple[pictures.SlicePicture, str]:
    """Return the slice of a competition folder with the most classes, then pixels."""
    by_id: dict[str, list[str]] = {}
    for row in mask_csv.read(data / "train.csv", "segmentation"):
        by_id.setdefault(row.id, []).append(row.rle)

    def planes(image: images.Image) -> np.ndarray:
        return np.stack([rle.decode(each, image.shape) for each in by_id[image.id]], -1)

    def fullness(image: images.Image) -> tuple[int, int]:
        filled = planes(image) > 0
        return int(filled.any(axis=(0, 1)).sum()), int(filled.sum())

    image = max(images.find(data, "train"), key=fullness)
    pixels = png.read(data / image.path, image.shape)
    grey = pictures.grey(pixels, np.percentile(pixels, (1, 99.5)))
    bits = masks.pack(planes(image) > 0)
    shown = pictures.SlicePicture(image.scan, 0, grey, bits, np.zeros_like(bits), 1.0)
    return shown, f"{pathlib.Path(image.path).name}  (axis z)"


# The file of each picture, and the function that returns its bytes.
PICTURES: dict[str, Callable[[pathlib.Path], bytes]] = {
    "prediction.png": prediction,
    "report.png": report,
    "report_phone.png": report_phone,
    "curves.png": curves,
    "watch.svg": watch,
    "audit.png": audited,
    "convert.png": converted,
}


def main(work: str = "work", *names: str) -> None:
    """Make all pictures, or those of these names."""
    if unknown := set(names) - PICTURES.keys():
        raise SystemExit(
            f"Expected names of pictures, some of {', '.join(PICTURES)}, received "
            f"{', '.join(sorted(unknown))}. Correct PICTURES."
        )
    for name in names or PICTURES:
        drawn = PICTURES[name](pathlib.Path(work))
        files.write_bytes(HERE / name, small(drawn) if name.endswith("png") else drawn)
        print(HERE / name)


def small(picture: bytes) -> bytes:
    """Reduce a PNG to 64 greys and 192 colours: it looks the same in half the bytes."""
    from PIL import Image

    with Image.open(io.BytesIO(picture)) as image:
        pixels = np.array(image.convert("RGB"))
    coloured = pixels[np.ptp(pixels.astype(int), axis=-1) > 12]
    # Other methods mix the colours of rare classes with those around them.
    method = Image.Quantize.MAXCOVERAGE
    few = Image.fromarray(coloured[None]).quantize(192, method=method).convert("RGB")
    greys = np.linspace(0, 255, 64).round().astype(np.uint8)[:, None].repeat(3, axis=1)
    palette = np.unique(np.concatenate([np.array(few)[0], greys]), axis=0)
    # Pillow's own search for the nearest one takes white for a light grey.
    _, nearest = spatial.KDTree(palette).query(pixels)
    reduced = Image.fromarray(nearest.astype(np.uint8), "P")
    reduced.putpalette(palette.ravel().tolist())
    buffer = io.BytesIO()
    reduced.save(buffer, "png", optimize=True)
    return buffer.getvalue()


if __name__ == "__main__":
    main(*sys.argv[1:])
