"""The parts of an experiment: typed, frozen, and strict about their keys.

`experiments/base.toml` explains every key. The keys with a default here are newer than
the others: a run that was stored without such a key was made with its default.
"""

from typing import Annotated, Literal

import pydantic

from competition.core.experiment import layout

Share = Annotated[float, pydantic.Field(ge=0, le=1)]
Positive = Annotated[float, pydantic.Field(gt=0)]
Weight = Annotated[float, pydantic.Field(ge=0)]
Fraction = Annotated[float, pydantic.Field(ge=0, lt=1)]
# No experiment needs more; NumPy and Keras fail on numbers beyond 64 bits.
Count = Annotated[int, pydantic.Field(ge=1, le=10**9)]
Index = Annotated[int, pydantic.Field(ge=0, le=10**9)]
# NumPy and Keras take seeds below 2**32, and the fold's number is added.
Seed = Annotated[int, pydantic.Field(ge=0, lt=2**31)]
Offset = Annotated[int, pydantic.Field(ge=-1000, le=1000)]
# TOML has only arrays; strict mode would not take an array for a tuple.
LOOSE = pydantic.Field(strict=False, min_length=1)
OPTIONAL = pydantic.Field(strict=False)
# (n, p, q): the least number of pixels above probability p, p, and the least presence.
Gate = Annotated[tuple[Index, Share, Share], OPTIONAL]
# Names of networks, and those of encoders in keras.applications and keras_hub.
Architecture = Literal[
    "unet",
    "attention_unet",
    "unet_plus_plus",
    "fcn",
    "segnet",
    "deeplab",
    "fpn",
    "upernet",
    "unet_3d",
    "residual_unet_3d",
]
VOLUMETRIC = "unet_3d", "residual_unet_3d"
OVER_ENCODERS = (
    "unet", "attention_unet", "unet_plus_plus", "deeplab", "fpn", "upernet",
)  # fmt: skip
# Which weights of a fold are kept: of the best epoch or of the last one, or the mean.
Keep = Literal["best", "last", "swa"]
Encoder = Annotated[
    str,
    pydantic.Field(
        pattern=r"^(none|EfficientNetB[0-7]|EfficientNetV2(B[0-3]|S|M|L)"
        r"|ConvNeXt(Tiny|Small|Base|Large|XLarge)|ResNet(50|101|152)"
        r"|mit_b[0-5]|efficientnet_b[0-5]|hgnetv2_b[4-6]|resnet_(18|50|101|152)"
        r"|resnet_vd_(18|34|50|101|152|200))$"
    ),
]


def _each_once(folds: tuple[layout.Fold, ...]) -> tuple[layout.Fold, ...]:
    if len(set(folds)) < len(folds):
        raise ValueError("each fold is trained once. Name it once")
    if "all" in folds and folds != layout.ALL:
        raise ValueError(
            'the fold "all" trains on every case and holds nothing out, so that it '
            'cannot stand beside other folds. Set folds = ["all"], or their numbers'
        )
    return folds


Folds = Annotated[
    tuple[Index | Literal["all"], ...], LOOSE, pydantic.AfterValidator(_each_once)
]


def _each_run_once(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) < len(names):
        raise ValueError("a run is named twice. Name each run once")
    return names


RunNames = Annotated[tuple[str, ...], OPTIONAL, pydantic.AfterValidator(_each_run_once)]


class Table(pydantic.BaseModel):
    """A part of the config: no unknown keys, no silent conversions, no changes."""

    model_config = pydantic.ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False
    )


class Geometry(Table):
    """The size of the network's input, and how a slice is brought to it."""

    fit: Literal["pad", "resize", "letterbox", "spacing"]
    height: Count
    width: Count
    spacing_mm: Positive = 1.5
    box: Literal["none", "body"] = "none"
    crop: Annotated[tuple[Count, ...], OPTIONAL] = ()

    @property
    def frame(self) -> tuple[int, int]:
        """The height and width that slices are fitted to."""
        return self.height, self.width

    @property
    def trained_size(self) -> tuple[int, int]:
        """The height and width of the images that the network is trained on."""
        height, width = self.crop or self.frame
        return height, width

    @pydantic.model_validator(mode="after")
    def _crop_fits(self) -> "Geometry":
        frame = self.frame
        if len(self.crop) not in (0, 2):
            raise ValueError(
                "`crop` is a height and a width, such as [448, 448], or [] for none"
            )
        largest = [min(pair) for pair in zip(self.crop, frame, strict=False)]
        if largest != list(self.crop):
            raise ValueError(
                f"`crop` must fit into `height` and `width`, which are {self.height} "
                f"and {self.width}. Use crop = {largest}, or enlarge them"
            )
        return self


class Model(Table):
    """The network: its kind, width, depth and regularisation."""

    architecture: Architecture
    widths: Annotated[tuple[Count, ...], LOOSE]
    patch: Annotated[tuple[Count, Count, Count], OPTIONAL] = (16, 64, 64)
    dropout: Fraction
    norm: Literal["batch", "group", "instance"] = "batch"
    norm_momentum: Fraction
    deep_supervision: bool = False
    presence: bool = False
    remat: bool = False
    encoder: Encoder = "none"
    encoder_weights: str = "none"
    # Versions without this key decided each class on its own.
    exclusive: bool | Literal["auto"] = False

    @property
    def has_attention_gates(self) -> bool:
        """Whether the network has attention gates, whose maps can be shown."""
        return self.architecture == "attention_unet"

    @property
    def softmax(self) -> bool:
        """Return whether a pixel has one class or none; the data settles "auto"."""
        return self.exclusive is True

    @property
    def volumetric(self) -> bool:
        """Return whether the network takes patches of a scan, not stacks of slices."""
        return self.architecture in VOLUMETRIC

    @pydantic.model_validator(mode="after")
    def _encoder_fits(self) -> "Model":
        if self.encoder != "none":
            if self.architecture not in OVER_ENCODERS:
                raise ValueError(
                    f"an encoder goes with {', '.join(OVER_ENCODERS)}, not "
                    f'{self.architecture}. Set encoder = "none" or another architecture'
                )
        elif self.encoder_weights != "none":
            raise ValueError(
                "`encoder_weights` need an `encoder`. Name the one that they are of, "
                'or set encoder_weights = "none"'
            )
        return self


class Loss(Table):
    """The weight of each term of the loss, 0 to leave it out, and its parameters."""

    bce: Weight
    focal: Weight = 0.0
    dice: Weight
    tversky: Weight = 0.0
    focal_tversky: Weight = 0.0
    lovasz: Weight = 0.0
    boundary: Weight = 0.0
    focal_gamma: Weight = 2.0
    tversky_alpha: Weight = 0.3
    tversky_beta: Positive = 0.7
    focal_tversky_gamma: Positive = 0.75
    boundary_pixels: Count = 8
    deep: Share = 0.5
    presence: Weight = 0.2

    @pydantic.model_validator(mode="after")
    def _not_all_zero(self) -> "Loss":
        pixels = self.bce, self.focal, self.lovasz, self.boundary
        if not any((*pixels, self.dice, self.tversky, self.focal_tversky)):
            raise ValueError("at least one term of the loss must weigh more than 0")
        return self


class Augment(Table):
    """The augmentations of a training sample: their probabilities and limits."""

    engine: Literal["auto", "device", "host", "addons", "none"]
    flip: Share
    affine: Share
    shift: Share
    scale: Fraction
    rotate_degrees: Weight
    elastic: Share = 0.0
    elastic_shift: Annotated[float, pydantic.Field(ge=0, le=0.08)] = 0.04
    tone: Share = 0.0
    gain: Fraction = 0.1
    gamma: Fraction = 0.2
    bias: Share = 0.0
    bias_gain: Fraction = 0.3
    blur: Share = 0.0
    blur_pixels: Annotated[float, pydantic.Field(gt=0, le=3)] = 1.0
    noise: Share = 0.0
    noise_sigma: Share = 0.03
    holes: Share = 0.0
    holes_count: Count = 4
    holes_size: Share = 0.1
    cutmix: Share = 0.0
    cutmix_size: Share = 0.5
    mixup: Share = 0.0
    mixup_share: Share = 0.5

    @property
    def flips(self) -> bool:
        """Return whether training ever shows a flipped slice."""
        return self.engine != "none" and self.flip > 0


class Sampling(Table):
    """The training slices of an epoch; patches are cut around these slices."""

    slices: Literal["all", "positives", "balanced"] = "all"
    empties: Share = 0.2
    centred: Share = 0.5


class Input(Table):
    """Where the scans are gathered into batches."""

    place: Literal["auto", "device", "host"] = "auto"


class Training(Table):
    """The training of a fold: its steps, scores and devices."""

    batch: Count
    accumulate: Count = 1
    epochs: Count
    optimizer: Literal["adamw", "adam", "sgd"] = "adamw"
    learning_rate: Positive
    weight_decay: Weight
    momentum: Share = 0.9
    clip_norm: Weight = 0.0
    schedule: Literal["cosine", "one_cycle", "polynomial"] = "cosine"
    power: Positive = 1.0
    warmup: Share
    ema: Fraction = 0.0
    swa_epochs: Index = 0
    freeze_epochs: Index = 0
    encoder_rate: Annotated[float, pydantic.Field(gt=0, le=1)] = 1.0
    keep: Keep = "best"
    patience: Index = 0
    score_every: Count
    score_scans: Index = 0
    samples_every: Index = 0
    tensorboard: bool = False
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "float32"
    xla: bool | Literal["auto"] = "auto"
    deterministic: bool | Literal["auto"] = "auto"
    gpus: Literal["auto", "one", "folds", "mirror"] = "auto"
    fresh_process: bool = True

    @pydantic.model_validator(mode="after")
    def _within_the_epochs(self) -> "Training":
        for key in ("swa_epochs", "freeze_epochs"):
            if getattr(self, key) >= self.epochs:
                raise ValueError(
                    f"`{key}` must be below `epochs`, which is {self.epochs}. "
                    f"Received: {getattr(self, key)}"
                )
        return self

    @pydantic.model_validator(mode="after")
    def _has_a_mean_to_keep(self) -> "Training":
        if self.keep == "swa" and (not self.swa_epochs or self.patience):
            raise ValueError(
                'keep = "swa" keeps the average of the last epochs: set `swa_epochs` '
                "to their number, and patience = 0, so that these epochs come. "
                f"Received: swa_epochs = {self.swa_epochs}, patience = {self.patience}"
            )
        return self


class Decide(Table):
    """The values that the search for a decision rule tries."""

    weights: Annotated[tuple[Weight, ...], OPTIONAL]
    thresholds: Annotated[tuple[Share, ...], OPTIONAL]
    gates: Annotated[tuple[Gate, ...], OPTIONAL]
    smooth: bool
    pixels: Annotated[tuple[Count, ...], OPTIONAL]
    voxels: Annotated[tuple[Count, ...], OPTIONAL]
    largest: Annotated[tuple[Count, ...], OPTIONAL]
    holes: bool
    fallback: bool = False
    stretch: Annotated[tuple[Count, ...], OPTIONAL] = ()
    scans: Annotated[int, pydantic.Field(ge=1)] = 300


class Submit(Table):
    """The views of a slice that predictions are averaged over."""

    windows: bool = False
    tta: Literal["auto"] | Annotated[tuple[Literal["flip"], ...], OPTIONAL] = ()
    scales: Annotated[
        tuple[Annotated[float, pydantic.Field(ge=0.5, le=2)], ...], OPTIONAL
    ] = (1.0,)
