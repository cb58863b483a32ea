"""The place of a host, and what is said where hosts do not come together."""

import socket

import pytest

from competition.machine import host_process, process

HERE = host_process.Place("127.0.0.1:1", 2, 1)


@pytest.fixture(autouse=True)
def jax(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    monkeypatch.setattr(process, "run", lambda command: " ".join(command))


@pytest.mark.parametrize(
    "given",
    [
        ("10.0.0.1", 2, 0),
        ("10.0.0.1:no", 2, 0),
        ("10.0.0.1:1234", None, 0),
        ("10.0.0.1:1234", 2, None),
        ("10.0.0.1:1234", 2, 2),
        ("10.0.0.1:1234", 2, -1),
        ("auto", 2, 0),
    ],
)
def test_a_place_is_an_address_a_number_and_one_below_it(given):
    with pytest.raises(ValueError, match=r"is --coordinator HOST:PORT, .* Received: -"):
        host_process.Place(*given)
    assert host_process.Place("[::1]:1234", 2, 1).address == ("::1", 1234)


def test_tensorflow_is_refused(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    with pytest.raises(ValueError, match="KERAS_BACKEND=jax on every host"):
        host_process.run(["train"], HERE)


def test_a_coordinator_that_does_not_come_is_named(monkeypatch):
    monkeypatch.setattr(host_process, "START_SECONDS", 0)
    with pytest.raises(
        ValueError, match=r"No coordinator at 127\.0\.0\.1:1 .* refused"
    ):
        host_process.run(["train"], HERE)


def test_host_0_needs_its_port_for_itself():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        first = host_process.Place(f"127.0.0.1:{port}", 2, 0)
        with pytest.raises(ValueError, match=f"cannot listen at port {port}: Address"):
            host_process.run(["train"], first)
    assert host_process.run(["train"], first) == "-m competition train"


@pytest.mark.parametrize(("status", "told"), [(1, "Another host"), (-9, "by a signal")])
def test_what_ends_a_process_of_jax_is_put_into_words(monkeypatch, status, told):
    def end(command):
        error = process.EndedError("ended by a signal")
        error.status = status
        raise error

    monkeypatch.setattr(process, "run", end)
    with pytest.raises(ValueError, match=told):
        host_process.run(["train"], host_process.Place("auto"))
