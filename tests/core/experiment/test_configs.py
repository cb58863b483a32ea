"""Experiments: complete, typed, strict."""

import itertools
import re

import pytest

from competition.core.experiment import configs


@pytest.mark.parametrize(
    "name", [path.stem for path in configs.EXPERIMENTS.glob("*.toml")]
)
def test_every_experiment_loads(name):
    assert isinstance(configs.load(name), configs.Config)


def test_base_explains_every_key():
    lines = (configs.EXPERIMENTS / "base.toml").read_text("utf-8").splitlines()
    for above, line in itertools.pairwise(lines):
        is_key = re.match(r"\w+ = ", line)
        assert not is_key or "  # " in line or above.startswith("# "), line


def test_an_experiment_is_base_with_its_own_lines():
    base, gated = configs.load("base"), configs.load("attention_unet")
    assert configs.changes(base.model_dump(), gated.model_dump()) == [
        "model.architecture: unet -> attention_unet"
    ]


def test_a_path_is_an_experiment_too(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("[training]\nepochs = 3\n")
    assert configs.load(str(path)).training.epochs == 3


def test_overrides_come_last_and_are_typed():
    loaded = configs.load(
        "smoke", ("training.epochs=2", "model.architecture=attention_unet", "folds=[1]")
    )
    assert loaded.training.epochs == 2
    assert loaded.model.architecture == "attention_unet"
    assert loaded.folds == (1,)


def test_a_config_survives_the_file_of_a_run():
    loaded = configs.load("smoke")
    assert (
        configs.check(
            loaded.model_dump(mode="json"), configs.Config, source="config.json"
        )
        == loaded
    )


def test_a_config_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        configs.load("smoke").seed = 1


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.epoch=3", "unknown key `training.epoch`. Did you mean 'epochs'"),
        ("sead=3", "toml --set sead=3: unknown key `sead`. Did you mean 'seed'"),
        ("epochs=3", "unknown key `epochs`. Did you mean 'training.epochs'"),
        ("folds=0,1", "`folds`: .*list. .*Quote a list for the shell"),
        ("training.epochs=0", "`training.epochs`: .*greater than or equal to 1.*0"),
        ("training.epochs=1.5", "`training.epochs`: .*valid integer.*1.5"),
        ("training.epochs='3'", "`training.epochs`: .*valid integer.*'3'"),
        ("training=3", "`training`: .*Received: 3"),
        ("slices=[]", "`slices`: .*at least 1"),
        ("model.architecture=vnet", "`model.architecture`: .*'unet'.*'vnet'"),
        ("epochs", "An override is key=value.*Received: 'epochs'"),
        ("loss={bce=0.0, dice=0.0}", "at least one term of the loss"),
        (
            'model={architecture="unet_3d", patch=[8, 64, 160]}',
            r"`model`: .*fit into geometry.* 112 and 112\. Use patch = \[8, 64, 112\]",
        ),
        (
            'geometry={fit="pad", height=64, width=96, crop=[80, 80]}',
            r"`geometry`: .*`crop` must fit into .* 64 and 96\. Use crop = \[64, 80\]",
        ),
        ("geometry.crop=[80]", r"`crop` is a height and a width, .* or \[\] for none"),
        ("submit.windows=true", "`submit`: .*as large as `geometry.crop`, and there i"),
        (
            "submit.tta=often",
            "^.*`submit.tta`: .*'auto', or a list.*'often'.$",
        ),
        ('submit.tta=["up"]', "^[^\n]*`submit.tta.0`: .*'flip'.*'up'.$"),
        ("model.exclusive=3", "`model.exclusive`: .*valid boolean, or 'auto'.*3"),
        ('folds=["x"]', r"^[^\n]*`folds.0`: .*valid integer, or 'all'.*'x'\.$"),
        ("training.keep=mean", "`training.keep`: .*'best', 'last' or 'swa'.*'mean'"),
        ("training.keep=swa", "last epochs: set `swa_epochs` .* swa_epochs = 0"),
        (
            'training={keep="swa", swa_epochs=2, patience=3}',
            "and patience = 0, .* swa_epochs = 2, patience = 3",
        ),
        ("seed=5000000000", "`seed`: .*less than 2147483648.*5000000000"),
        ("slices=[0, 100000]", "`slices.1`: .*less than or equal to 1000.*100000"),
        ("slices=[1.5]", r"^[^\n]*`slices.0`: .*valid integer.*1.5.$"),
        ("model.dropout=1.0", "`model.dropout`: .*less than 1.*1.0"),
        ("model.norm_momentum=1.0", "`model.norm_momentum`: .*less than 1.*1.0"),
        ("model.patch=[8, 64]", r"`model.patch.2` is missing"),
        (
            'model={architecture="unet_3d", encoder="ResNet50"}',
            "an encoder goes with .*, not unet_3d",
        ),
    ],
)
def test_a_wrong_key_or_value_is_named(override, message):
    with pytest.raises(ValueError, match=message):
        configs.load("smoke", (override,))


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("geometry.crop=[9, 9]", "takes patches .*Set geometry.crop = "),
        ("position=true", "place of one slice, .*Set position = false"),
    ],
)
def test_a_3d_network_has_neither_crops_nor_a_position(override, message):
    patches = 'model={architecture="unet_3d", patch=[4, 9, 9]}'
    with pytest.raises(ValueError, match=message):
        configs.load("smoke", (patches, override))


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ((), ("flip",)),
        (("augment.flip=0",), ()),
        (("augment.engine=none",), ()),
        (("augment.engine=none", 'submit.tta=["flip"]'), ("flip",)),
        (("submit.tta=[]",), ()),
    ],
)
def test_flipped_slices_are_predicted_where_training_shows_some(overrides, expected):
    assert configs.load("unet", overrides).tta == expected


def test_slices_across_another_axis_need_what_is_known_of_them():
    with pytest.raises(ValueError, match=r"`model`: .*Set intensity = \"scan\", geom"):
        configs.load("smoke", ("axis=y", "geometry.box=body", "intensity=slice"))
    config = configs.load(
        "smoke", ("axis=y", "geometry.box=none", "geometry.fit=pad", "intensity=scan")
    )
    assert config.axis == "y"
    with pytest.raises(ValueError, match=r'whole patches\. Set axis = "z"'):
        configs.load("hippocampus_3d", ("axis=x",))


def test_a_patch_that_is_not_used_may_have_any_size():
    assert configs.load("smoke", ("model.patch=[8, 500, 500]",)).model.patch[1] == 500


def test_an_unknown_experiment_names_the_nearest():
    with pytest.raises(
        ValueError, match=r"Unknown experiment 'smok'\. Did you mean 'smoke'"
    ):
        configs.load("smok")


def test_a_missing_or_broken_file_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"no\.toml: no such experiment"):
        configs.load(str(tmp_path / "no.toml"))
    (tmp_path / "bad.toml").write_text("a = ")
    with pytest.raises(ValueError, match=r"bad\.toml: not valid TOML"):
        configs.load(str(tmp_path / "bad.toml"))


@pytest.mark.parametrize(
    "given", ["training.freeze_epochs=2", "training.encoder_rate=0.3"]
)
def test_a_blend_takes_what_is_for_the_encoders_of_its_members(given):
    configs.load("base", ('members=["seg_effnet", "seg_mit"]', given))
    with pytest.raises(ValueError, match="there is no encoder"):
        configs.load("base", (given,))
