"""An annotation that looks wrong, with its reason."""

import dataclasses


@dataclasses.dataclass(frozen=True, slots=True)
class Suspect:
    """Masks of some classes in the slices `first` to `last` (by index) of a scan.

    `weight` estimates the pixels that are wrong, `words` say what was seen.
    """

    scan: str
    first: int
    last: int
    classes: tuple[int, ...]
    reason: str
    words: str
    weight: float

    def covers(self, other: "Suspect") -> bool:
        """Whether both are about the same scan, a slice and a class in common.

        The slice after a fault is where things go back to normal: it counts as well.
        """
        return (
            self.scan == other.scan
            and bool(set(self.classes) & set(other.classes))
            and self.first <= other.last + 1
            and other.first <= self.last + 1
        )
