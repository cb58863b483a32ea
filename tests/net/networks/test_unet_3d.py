"""What is the 3D U-Net's own; the rest goes through the harness of all networks."""

import numpy as np
import pytest

from competition.core.experiment import configs
from competition.net.input import training_data
from competition.net.networks import build
from competition.net.training import fitting, losses, setup
from tests.net import training_parts
from tests.net.conftest import CLASSES, TINY

CHOSEN = (*TINY, "model.architecture=unet_3d", "model.patch=[6, 24, 20]")


def network(*more: str, patch: str = "[6, 24, 20]", widths: str = "[2, 2, 4, 4]"):
    chosen = f"model.patch={patch}", f"model.widths={widths}"
    return build.build(configs.load("smoke", (*CHOSEN, *chosen, *more)), CLASSES)


@pytest.mark.parametrize(
    ("depth", "expected"),
    [(16, [16, 8, 4, 2]), (6, [6, 3, 3, 3]), (5, [5, 3, 3, 3]), (1, [1, 1, 1, 1])],
)
def test_depth_is_halved_down_to_2_and_height_and_width_always(depth, expected):
    net = network(patch=f"[{depth}, 24, 20]")
    names = "encoder0", "encoder1", "encoder2", "bottom"
    sizes = [net.get_layer(f"{name}_2_relu").output.shape[1:4] for name in names]
    assert [size[2] for size in sizes] == expected
    assert [size[:2] for size in sizes] == [(24, 20), (12, 10), (6, 5), (3, 3)]
    assert net.output.shape == (None, 24, 20, depth, CLASSES)


def test_deep_outputs_are_coarser_in_height_and_width_alone():
    net = network("model.deep_supervision=true", patch="[7, 24, 20]")
    sizes = [each.shape[1:4] for each in net.output["deep"]]
    assert sizes == [(12, 10, 7), (6, 5, 7)]
    coarse = net(np.random.default_rng(0).random((1, 24, 20, 7)), training=False)
    # 7 slices became 4, and 2 in the second: each stands for those it was made of.
    first, second = (np.array(each) for each in coarse["deep"])
    for pair in ((0, 1), (2, 3), (4, 5)):
        np.testing.assert_array_equal(*(first[0, :, :, n] for n in pair))
    np.testing.assert_array_equal(second[0, :, :, 0], second[0, :, :, 3])
    assert (second[0, :, :, 3] != second[0, :, :, 4]).any()


def test_each_slice_has_its_own_presence():
    net = network("model.presence=true", patch="[6, 24, 20]")
    assert net.output["presence"].shape == (None, 6, CLASSES)


def test_depth_is_seen():
    net = network(widths="[2, 2]")
    before = np.random.default_rng(0).random((1, 24, 20, 6), np.float32)
    after = before.copy()
    after[..., 3] = 0
    changed = np.abs(np.array(net(after)) - np.array(net(before)))
    assert (changed.max(axis=(0, 1, 2, 4))[[2, 3, 4]] > 1e-4).all()


def test_the_loss_takes_the_slices_of_patches_for_samples():
    from competition.net.networks import depth

    random = np.random.default_rng(0)
    logits = random.normal(size=(2, 8, 6, 3, CLASSES)).astype(np.float32)
    truth = (random.random(logits.shape) > 0.7).astype(np.float32)
    loss = losses.build(configs.load("smoke").loss)
    apart = [
        np.stack([patch[:, :, number] for patch in each for number in range(3)])
        for each in (truth, logits)
    ]
    outputs = depth.as_samples({"logits": logits, "truth": truth})
    truth = outputs.pop("truth")
    assert float(loss(truth, outputs)) == pytest.approx(float(loss(*apart)), rel=1e-5)


@pytest.mark.parametrize("norm", ["batch", "group", "instance"])
def test_each_normalisation_is_over_all_voxels_of_a_patch(norm):
    layer = network(f"model.norm={norm}").get_layer("encoder1_1_norm")
    x = np.random.default_rng(0).normal(3, 2, (2, 6, 6, 3, 2)).astype(np.float32)
    x[:, :, :, 1] += 5
    normal = np.array(layer(x, training=True))
    over = {"batch": (0, 1, 2, 3), "group": (1, 2, 3, 4), "instance": (1, 2, 3)}[norm]
    np.testing.assert_allclose(normal.mean(axis=over), 0, atol=1e-3)
    np.testing.assert_allclose(normal.std(axis=over), 1, atol=1e-2)
    assert np.abs(normal.mean(axis=(0, 1, 2, 4))).max() > 0.5


class Killed(Exception):
    """What takes the place of a power cut."""


def train(folder, table, store, *, until: int = 99):
    """Train three epochs, or be killed after `until`; the state's arrays."""
    more = "model.dropout=0.2", "augment.engine=host", "training.batch=2"
    more = (*more, "training.epochs=3")
    wanted = configs.load("smoke", (*CHOSEN, *more))
    setup.seed(0)
    net, scored = build.build(wanted, CLASSES), []

    def score(network):
        if len(scored) == until:
            raise Killed
        scored.append(0.5)
        return 0.5

    data = training_data.TrainingData(table, store)
    rows = fitting.fit(
        training_parts.fold_of(net, wanted, data=data, folder=folder, score=score)
    )
    with np.load(folder / "state.npz") as stored:
        state = {name: stored[name] for name in stored.files if name != "about"}
    return [row["loss"] for row in rows], state


def test_killed_and_called_again_it_ends_as_if_it_had_not_been(
    kept_states, tmp_path, table, store
):
    losses, expected = train(tmp_path / "whole", table, store)
    assert len(set(losses)) == len(losses)
    with pytest.raises(Killed):
        train(tmp_path / "broken", table, store, until=2)
    again, received = train(tmp_path / "broken", table, store)
    assert again == losses
    assert received.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(received[name], value, name)
