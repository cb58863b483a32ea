"""What a training says of the device that it computes on."""

import types

import keras
import pytest

from competition.core.experiment import configs
from competition.net import devices
from competition.net.input import training_data
from competition.net.networks import build
from competition.net.training import setup


@pytest.fixture(autouse=True)
def own_environment(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")


@pytest.fixture
def data(table, store):
    return training_data.TrainingData(table, store)


def test_the_device_and_what_follows_from_it_are_named(data, monkeypatch, capsys):
    config = configs.load("smoke")
    backend = keras.backend.backend()
    xla = "with" if backend == "jax" else "without"
    text = f"1 CPU ({backend}), float32, {xla} XLA, augmentation: host, scans: host"
    assert setup.description(config, data) == text
    monkeypatch.setattr(devices, "find", lambda: devices.Device("gpu", 2, 7.5))
    monkeypatch.setattr(devices, "free_memory", lambda: 10**9)
    text = "1 of 2 GPU (tensorflow), mixed_float16, with XLA, augmentation: device, "
    text += "scans: device"
    assert setup.description(config, data) == text
    mirrored = configs.load("smoke", ("training.gpus=mirror",))
    text = "2 GPU (tensorflow), mixed_float16, without XLA, augmentation: device, "
    assert setup.description(mirrored, data) == text + "scans: host"
    assert capsys.readouterr().err == ""


def test_a_gpu_that_the_backend_does_not_see_is_told(data, monkeypatch, capsys):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    setup.description(configs.load("smoke"), data)
    said = " ".join(capsys.readouterr().err.split())
    assert "This machine has 1 GPU, and" in said
    assert "computes on the CPU. Install its CUDA libraries (`make setup GPU=1`" in said


def test_a_card_without_memory_for_the_network_is_told(monkeypatch):
    def full(config, classes):
        raise RuntimeError("RESOURCE_EXHAUSTED: failed to allocate 1.2 GiB")

    monkeypatch.setattr(build, "build", full)
    run = types.SimpleNamespace(config=configs.load("smoke"), classes=("stomach",))
    with (
        pytest.raises(ValueError, match=r"no memory for the network\. End other"),
        setup.network(run, 0),
    ):
        pass
