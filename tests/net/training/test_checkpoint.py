"""The state of a fold: two generations, checksums, and damaged files."""

import errno
import json
import types

import keras
import numpy as np
import pytest

from competition.net import weights_file
from competition.net.training import checkpoint, restoring

OWNER = "fold 0 of the training 0123"
ROW = {"epoch": 0, "loss": 0.5, "score": 0.25, "seconds": 1.0}


def parts(value=0.0, *, accumulate=None, scales=False):
    """A model of a network of 6 weights, all `value`, and an optimizer."""
    network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    for variable in network.variables:
        variable.assign(np.full(variable.shape, value))
    optimizer = keras.optimizers.Adam(
        name="optimizer", gradient_accumulation_steps=accumulate
    )
    if scales:
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    optimizer.build(network.trainable_variables)
    return types.SimpleNamespace(network=network, optimizer=optimizer)


def save(folder, value, *, epochs, **about):
    rows = [ROW | {"epoch": number} for number in range(epochs)]
    state = checkpoint.TrainingState(OWNER, epochs=rows, **about)
    checkpoint.save(folder, state, parts(value))


def restored(folder, *, scales=False, **now):
    stored = checkpoint.load(folder, OWNER)
    model = parts(accumulate=2 if now.get("halvings") else None, scales=scales)
    restoring.restore(stored, checkpoint.TrainingState(OWNER, **now), model)
    return stored, model.network, model.optimizer


def test_without_a_state_a_fold_is_at_its_beginning(tmp_path):
    assert checkpoint.load(tmp_path, OWNER).state == checkpoint.TrainingState(OWNER)
    assert not checkpoint.exists(tmp_path)


def test_a_saved_state_is_read_unchanged(tmp_path):
    mean = [np.array([1.5, 2.5], np.float32)]
    save(tmp_path, 3.0, epochs=2, slowed=True, averaged=1, mean=mean)
    stored, network, _ = restored(tmp_path)
    assert checkpoint.exists(tmp_path)
    assert [row["epoch"] for row in stored.state.epochs] == [0, 1]
    assert (stored.state.halvings, stored.state.slowed) == (0, True)
    np.testing.assert_array_equal(stored.state.mean[0], mean[0])
    assert {float(value) for each in network.get_weights() for value in each.flat} == {
        3.0
    }


def test_the_state_before_the_last_is_there_until_the_fold_is_finished(tmp_path):
    save(tmp_path, 1.0, epochs=1)
    save(tmp_path, 2.0, epochs=2)
    assert {path.name for path in tmp_path.iterdir()} == {
        "state.npz",
        "state-before.npz",
    }
    checkpoint.save_best_weights(tmp_path, parts().network, OWNER)
    checkpoint.finish(tmp_path, checkpoint.load(tmp_path, OWNER))
    assert checkpoint.load(tmp_path, OWNER).optimizer == []
    assert len(checkpoint.load(tmp_path, OWNER).state.epochs) == 2
    assert {path.name for path in tmp_path.iterdir()} == {
        "state.npz",
        "best.weights.h5",
    }


@pytest.mark.parametrize("cut", [0, 10, 200, -1])
def test_a_cut_state_falls_back_to_the_one_before(tmp_path, capsys, cut):
    save(tmp_path, 1.0, epochs=1)
    save(tmp_path, 2.0, epochs=2)
    path = tmp_path / "state.npz"
    path.write_bytes(path.read_bytes()[:cut])
    stored, network, _ = restored(tmp_path)
    assert len(stored.state.epochs) == 1
    assert network.get_weights()[0][0, 0] == 1.0
    said = " ".join(capsys.readouterr().err.split())
    assert "the state is damaged" in said
    assert "Going on after epoch 1" in said
    # The next save must not replace the sound state by the damaged one.
    save(tmp_path, 3.0, epochs=2)
    assert checkpoint.load(tmp_path, OWNER).network[0][0, 0] == 3.0
    path.unlink()
    assert checkpoint.load(tmp_path, OWNER).network[0][0, 0] == 1.0


@pytest.mark.parametrize("fault", [MemoryError(), OSError(errno.EIO, "I/O error")])
def test_a_state_that_cannot_be_read_just_now_is_not_damaged(
    tmp_path, monkeypatch, fault
):
    save(tmp_path, 1.0, epochs=1)
    save(tmp_path, 2.0, epochs=2)

    def fail(*arguments):
        raise fault

    with monkeypatch.context() as patch, pytest.raises(type(fault)):
        patch.setattr(checkpoint, "_read", fail)
        checkpoint.load(tmp_path, OWNER)
    assert len(checkpoint.load(tmp_path, OWNER).state.epochs) == 2


def test_any_byte_that_changes_is_noticed_or_does_not_matter(tmp_path):
    save(tmp_path, 1.0, epochs=1)
    save(tmp_path, 2.0, epochs=2)
    path = tmp_path / "state.npz"
    sound = path.read_bytes()
    fallen_back = 0
    for place in np.random.default_rng(0).integers(0, len(sound), 60):
        damaged = bytearray(sound)
        damaged[place] ^= 0x55
        path.write_bytes(damaged)
        stored = checkpoint.load(tmp_path, OWNER)
        epochs, values = len(stored.state.epochs), stored.network
        assert epochs in (1, 2)
        fallen_back += epochs == 1
        assert all((value == epochs).all() for value in values)
    assert fallen_back > 20


def test_any_bit_of_the_files_directory_is_noticed_or_does_not_matter(tmp_path, capsys):
    for epochs in (1, 2):
        save(tmp_path, float(epochs), epochs=epochs)
    path = tmp_path / "state.npz"
    sound = path.read_bytes()
    for place in range(sound.index(b"PK\1\2"), len(sound)):
        damaged = bytearray(sound)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        stored = checkpoint.load(tmp_path, OWNER)
        assert len(stored.optimizer) == len(stored.paths)
        assert len(stored.network) == 2
        assert (stored.network[0] == len(stored.state.epochs)).all()


def test_a_state_of_an_older_version_without_digest_and_owner_is_read(tmp_path):
    save(tmp_path, 1.0, epochs=1, best=0.25)
    path = tmp_path / "state.npz"
    with np.load(path) as stored:
        kept = dict(stored)
    about = json.loads(str(kept["about"])) | {"best_crc": 123}
    del about["digest"], about["owner"], about["best_digest"]
    np.savez(path, **(kept | {"about": np.array(json.dumps(about))}))
    stored = checkpoint.load(tmp_path, OWNER)
    assert len(stored.network) == 2
    assert stored.state.best is None


def test_a_fold_killed_while_renaming_goes_on_from_the_state_before(tmp_path):
    save(tmp_path, 1.0, epochs=1)
    (tmp_path / "state.npz").rename(tmp_path / "state-before.npz")
    assert len(checkpoint.load(tmp_path, OWNER).state.epochs) == 1


def test_two_damaged_states_are_an_error_that_names_both(tmp_path):
    for epochs in (1, 2):
        save(tmp_path, 1.0, epochs=epochs)
    for name in ("state.npz", "state-before.npz"):
        (tmp_path / name).write_bytes(b"PK\3\4 but no more")
    with pytest.raises(
        ValueError, match=r"state\.npz: .* damaged .*state-before\.npz: .* Delete the"
    ):
        checkpoint.load(tmp_path, OWNER)


def test_the_best_score_counts_only_with_its_weights(tmp_path):
    digest = checkpoint.save_best_weights(tmp_path, parts(1.0).network, OWNER)
    save(tmp_path, 1.0, epochs=1, best=0.25, best_digest=digest)
    assert checkpoint.load(tmp_path, OWNER).state.best == 0.25
    # Bytes that mean nothing make no other weights.
    with (tmp_path / "best.weights.h5").open("ab") as file:
        file.write(b"more")
    assert checkpoint.load(tmp_path, OWNER).state.best == 0.25
    # Killed after the weights of a better epoch, before its state.
    checkpoint.save_best_weights(tmp_path, parts(2.0).network, OWNER)
    assert checkpoint.load(tmp_path, OWNER).state.best is None
    (tmp_path / "best.weights.h5").unlink()
    assert checkpoint.load(tmp_path, OWNER).state.best is None


def test_the_state_of_another_network_is_refused(tmp_path):
    save(tmp_path, 1.0, epochs=1)
    stored = checkpoint.load(tmp_path, OWNER)
    other = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    optimizer = keras.optimizers.Adam()
    optimizer.build(other.trainable_variables)
    with pytest.raises(
        ValueError, match=r"state\.npz: the state is of another network"
    ):
        model = types.SimpleNamespace(network=other, optimizer=optimizer)
        restoring.restore(stored, checkpoint.TrainingState(OWNER), model)


def save_sevens(folder, *, scales, accumulate=None):
    """Save an optimizer whose variables are all 7, with or without a loss scale."""
    model = parts(1.0, scales=scales, accumulate=accumulate)
    for variable in model.optimizer.variables:
        variable.assign(np.full(variable.shape, 7, variable.dtype))
    checkpoint.save(folder, checkpoint.TrainingState(OWNER, epochs=[ROW]), model)


@pytest.mark.parametrize("accumulate", [None, 2])
@pytest.mark.parametrize("scales", [False, True])
def test_with_smaller_batches_the_optimizer_counts_more_of_them(
    tmp_path, scales, accumulate
):
    save_sevens(tmp_path, scales=scales, accumulate=accumulate)
    _, _, halved = restored(tmp_path, halvings=1, scales=scales)
    by_path = {variable.path: variable for variable in halved.variables}
    iteration = keras.ops.convert_to_numpy(by_path["optimizer/iteration"])
    assert iteration == 14
    sums = [v for path, v in by_path.items() if path.endswith("accumulator")]
    moments = [v for path, v in by_path.items() if path.endswith("momentum")]
    assert len(sums) == len(moments) == 2
    assert not any(keras.ops.convert_to_numpy(each).any() for each in sums)
    assert all((keras.ops.convert_to_numpy(each) == 7).all() for each in moments)


@pytest.mark.parametrize(
    ("before", "after"), [(20, 60), (60, 20), (3, 10), (10**5, 10**5)]
)
def test_it_counts_batches_by_those_of_an_epoch(tmp_path, before, after):
    model = parts(1.0)
    model.optimizer.iterations.assign(4 * before)
    state = checkpoint.TrainingState(OWNER, epochs=[ROW], steps=before)
    checkpoint.save(tmp_path, state, model)
    _, _, optimizer = restored(tmp_path, steps=after)
    assert int(optimizer.iterations) == 4 * after


@pytest.mark.parametrize(("before", "after"), [(2, None), (None, 2)])
def test_a_state_goes_on_where_only_one_of_two_accumulates(tmp_path, before, after):
    state = checkpoint.TrainingState(OWNER, epochs=[ROW], halvings=1)
    checkpoint.save(tmp_path, state, parts(1.0, accumulate=before))
    model = parts(accumulate=after)
    restoring.restore(checkpoint.load(tmp_path, OWNER), state, model)
    assert {float(each) for w in model.network.get_weights() for each in w.flat} == {1}


@pytest.mark.parametrize("scales", [False, True])
def test_a_state_goes_on_where_only_one_of_two_devices_scales_the_loss(
    tmp_path, scales
):
    save_sevens(tmp_path, scales=not scales)
    _, _, optimizer = restored(tmp_path, scales=scales)
    values = {
        each.path: keras.ops.convert_to_numpy(each) for each in optimizer.variables
    }
    assert all(
        (value == 7).all() for path, value in values.items() if path[:9] == "optimizer"
    )
    if scales:
        (scale,) = (v for path, v in values.items() if path.endswith("dynamic_scale"))
        assert scale == optimizer.initial_scale


def test_the_optimizer_begins_afresh_where_the_encoder_is_unfrozen(tmp_path):
    model = parts(1.0)
    model.optimizer.iterations.assign(5)
    state = checkpoint.TrainingState(OWNER, epochs=[ROW], resting=True)
    checkpoint.save(tmp_path, state, model)
    _, same, fresh = restored(tmp_path, resting=False)
    assert int(keras.ops.convert_to_numpy(fresh.iterations)) == 0
    assert same.get_weights()[0][0, 0] == 1.0


def test_the_state_of_another_fold_is_passed_over(tmp_path, capsys):
    for epochs in (1, 2):
        save(tmp_path, float(epochs), epochs=epochs)
    other = checkpoint.TrainingState("fold 1 of the training 0123", epochs=[ROW] * 3)
    checkpoint.save(tmp_path / "other", other, parts(3.0))
    (tmp_path / "other" / "state.npz").rename(tmp_path / "state.npz")
    assert len(checkpoint.load(tmp_path, OWNER).state.epochs) == 1
    assert "it is of fold 1 of the training 0123" in capsys.readouterr().err
    (tmp_path / "state-before.npz").unlink()
    checkpoint.save(tmp_path, other, parts(3.0))
    with pytest.raises(ValueError, match=r"state\.npz: .* expected fold 0 of the tr"):
        (tmp_path / "state-before.npz").unlink(missing_ok=True)
        checkpoint.load(tmp_path, OWNER)


CHANGES = {
    "a number": {"network00000": np.zeros((2, 2), np.float32)},
    "a name": {"other00000": np.zeros(3)},
    "objects": {"network00000": np.array([None, "x"], object)},
    "another document": {"about": np.array("[]")},
    "no document": {"about": np.array("{")},
    "nested deeply": {"about": np.array("[" * 100_000)},
    "an entry of another kind": {"about": np.array('{"epochs": 1, "paths": []}')},
    "an unknown entry": {"about": np.array('{"colour": 1, "paths": []}')},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_state_that_was_changed_is_an_error_that_names_it(tmp_path, change):
    save(tmp_path, 1.0, epochs=1)
    path = tmp_path / "state.npz"
    with np.load(path) as stored:
        kept = dict(stored)
    np.savez(path, **(kept | change))
    with pytest.raises(ValueError, match=r"state\.npz: the state is damaged \("):
        checkpoint.load(tmp_path, OWNER)


def test_damaged_best_weights_are_told(tmp_path, capsys):
    digest = checkpoint.save_best_weights(tmp_path, parts(1.0).network, OWNER)
    save(tmp_path, 1.0, epochs=1, best=0.25, best_digest=digest)
    (tmp_path / "best.weights.h5").write_bytes(b"none")
    assert checkpoint.load(tmp_path, OWNER).state.best is None
    said = " ".join(capsys.readouterr().err.split())
    assert "best.weights.h5: the weights are damaged" in said
    assert "The best of the coming epochs are kept instead" in said


def test_best_weights_that_cannot_be_read_just_now_are_kept(tmp_path, monkeypatch):
    digest = checkpoint.save_best_weights(tmp_path, parts(1.0).network, OWNER)
    save(tmp_path, 1.0, epochs=1, best=0.25, best_digest=digest)

    def fail(*arguments):
        raise OSError(errno.EIO, "I/O error")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="I/O error"):
        patch.setattr(weights_file, "_arrays", fail)
        checkpoint.load(tmp_path, OWNER)
    assert checkpoint.load(tmp_path, OWNER).state.best == 0.25
