"""Ways in which a competition folder can be damaged, each done to its first scan."""

import os

import cv2
import numpy as np

from competition.core.data import images


def first(folder):
    """The first training slice: what it is, and where."""
    image = images.find(folder, "train")[0]
    return image, folder / image.path


def rows(folder):
    """The header and the lines of train.csv."""
    header, *lines = (folder / "train.csv").read_text("utf-8").splitlines()
    return header, lines


def write_rows(folder, header, lines):
    (folder / "train.csv").write_text("\n".join([header, *lines]) + "\n")


def drop_slice(folder, image):
    """Remove a slice and its rows."""
    (folder / image.path).unlink()
    header, lines = rows(folder)
    kept = [line for line in lines if not line.startswith(f"{image.id},")]
    write_rows(folder, header, kept)


def zero_bytes(folder):
    first(folder)[1].write_bytes(b"")


def truncated(folder):
    path = first(folder)[1]
    path.write_bytes(path.read_bytes()[:-500])


def flipped_byte(folder):
    path = first(folder)[1]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)


def not_a_png(folder):
    first(folder)[1].write_bytes(b"GIF89a" + bytes(100))


def eight_bit(folder):
    image, path = first(folder)
    cv2.imwrite(str(path), np.zeros(image.shape, np.uint8))


def colour(folder):
    image, path = first(folder)
    cv2.imwrite(str(path), np.zeros((*image.shape, 3), np.uint16))


def palette(folder):
    path = first(folder)[1]
    data = bytearray(path.read_bytes())
    data[24:26] = bytes([8, 3])  # the header's bit depth and colour type
    path.write_bytes(data)


def huge(folder):
    _, path = first(folder)
    name = path.with_name("slice_0001_60000_60000_1.50_1.50.png")
    data = bytearray(path.read_bytes())
    data[16:24] = (60000).to_bytes(4, "big") * 2
    path.unlink()
    name.write_bytes(data)


def other_shape_than_name(folder):
    _, path = first(folder)
    path.rename(path.with_name("slice_0001_50_60_1.50_1.50.png"))


def other_size_than_scan(folder):
    _, path = first(folder)
    cv2.imwrite(
        str(path.with_name("slice_0001_50_60_1.50_1.50.png")),
        np.zeros((60, 50), np.uint16),
    )
    path.unlink()


def duplicate_slice(folder):
    _, path = first(folder)
    path.with_name("slice_0001_50_60_1.50_1.50.png").write_bytes(path.read_bytes())


def foreign_name(folder):
    _, path = first(folder)
    path.with_name("copy of slice.png").write_bytes(path.read_bytes())


def unreadable(folder):
    _, path = first(folder)
    path.unlink()
    path.mkdir()


def other_bytes(folder):
    """A name that is not UTF-8, as an archive of another system may hold."""
    _, path = first(folder)
    copy = os.path.join(os.fsencode(path.parent), b"slice_\xff\xe9.png")
    with open(copy, "wb") as file:
        file.write(path.read_bytes())


def link_to_a_pipe(folder):
    _, path = first(folder)
    path.unlink()
    # Beside the slices' folder, for in it the pipe itself is a problem.
    pipe = path.parents[1] / "pipe"
    os.mkfifo(pipe)
    path.symlink_to(pipe)


def link_that_leaves(folder):
    _, path = first(folder)
    outside = folder.parent / "outside.png"
    path.rename(outside)
    os.symlink(outside, path)


def broken_link(folder):
    _, path = first(folder)
    path.unlink()
    os.symlink(path.with_name("nowhere.png"), path)


def missing_row(folder):
    image, _ = first(folder)
    header, lines = rows(folder)
    kept = [line for line in lines if not line.startswith(f"{image.id},")]
    write_rows(folder, header, kept)


def missing_slice(folder):
    first(folder)[1].unlink()


def row(text):
    """Damage by replacing the first scan's first row: fields {id}, {name} and {rle}."""

    def damage(folder):
        image, _ = first(folder)
        header, lines = rows(folder)
        place = next(n for n, line in enumerate(lines) if line.startswith(image.id))
        id, name, rle = lines[place].split(",")
        lines[place] = text.format(id=id, name=name, rle=rle)
        write_rows(folder, header, lines)

    return damage


def mask(text):
    """Damage by another mask in that row."""
    return row("{id},{name}," + text)
