"""Write competition folders of any size fast: what is in them does not matter."""

import pathlib

import cv2
import numpy as np

from competition.core import rle

CLASSES = ("large_bowel", "small_bowel", "stomach")


def write(
    out: pathlib.Path,
    *,
    scans: int,
    slices: int = 144,
    size: tuple[int, int] = (266, 266),
    pixels: bool = True,
) -> pathlib.Path:
    """Write `scans` scans of `slices` slices; a third of them carry masks.

    Without `pixels` a PNG is only its header: enough for code that reads only sizes.
    """
    height, width = size
    texts = ["id,class,segmentation"]
    pngs = [_png(height, width, seed)[: None if pixels else 33] for seed in range(16)]
    masks = [_mask(height, width, seed) for seed in range(16)]
    for scan in range(scans):
        name = f"case{scan // 3 + 1}_day{scan % 3}"
        folder = out / "train" / name.split("_")[0] / name / "scans"
        folder.mkdir(parents=True)
        for slice in range(1, slices + 1):
            file = f"slice_{slice:04}_{width}_{height}_1.50_1.50.png"
            (folder / file).write_bytes(pngs[(scan + slice) % 16])
            for place, class_name in enumerate(CLASSES):
                shown = slices // 3 < slice < 2 * slices // 3
                text = masks[(scan + place) % 16] if shown else ""
                texts.append(f"{name}_slice_{slice:04},{class_name},{text}")
    (out / "train.csv").write_text("\n".join(texts) + "\n")
    return out


def _png(height: int, width: int, seed: int) -> bytes:
    random = np.random.default_rng(seed)
    smooth = cv2.resize(random.uniform(0, 3000, (9, 9)), (width, height))
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    body = (x / 0.9) ** 2 + (y / 0.7) ** 2 < 1
    noise = random.normal(0, 12, (height, width))
    image = np.clip(smooth * body + noise, 0, 65535).astype(np.uint16)
    # Each row has a filter, as in the competition's files; one for all decodes faster.
    filters = [cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_ALL_FILTERS]
    return cv2.imencode(".png", image, filters)[1].tobytes()


def _mask(height: int, width: int, seed: int) -> str:
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    cy, cx = random.uniform(0.3, 0.7, 2) * (height, width)
    ry, rx = random.uniform(0.05, 0.1, 2) * (height, width)
    return rle.encode(((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2 < 1)
