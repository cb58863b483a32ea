"""What hosts tell each other, through a stand-in for JAX's store of keys."""

import json

import pytest

from competition.net import hosts


class Store:
    """Stands in for the client of host 1 of 2: host 0 tells what it is given."""

    def __init__(self, *told):
        self.told, self.keys, self.late = list(told), {}, False

    def key_value_set(self, key, value):
        self.keys[key] = value

    def key_value_delete(self, key):
        del self.keys[key]

    def key_value_dir_get(self, folder):
        other = {f"{folder}0": json.dumps(self.told.pop(0))}
        own = {k: v for k, v in self.keys.items() if k.startswith(folder)}
        return [*other.items(), *own.items()]

    def wait_at_barrier(self, name, milliseconds):
        if self.late:
            raise RuntimeError("DEADLINE_EXCEEDED: Barrier timed out.")


@pytest.fixture
def meet(monkeypatch):
    def with_host_0(*told):
        store = Store(*told)
        monkeypatch.setattr(hosts, "_now", hosts._Hosts(store, index=1, count=2))
        return store

    return with_host_0


def test_host_0_decides_and_nothing_is_kept_of_earlier_meetings(meet):
    store = meet("zero", [1.5, None])
    assert hosts.first("one") == "zero"
    assert hosts.gather(float("inf")) == [[1.5, None], float("inf")]
    assert list(store.keys) == ["meeting/2/1"]
    assert not hosts.is_first() and hosts.part(6) == slice(3, 6)


def test_a_part_of_the_work_is_done_here(meet):
    meet({"a": 1, "c": 3})
    done = []
    assert hosts.divided("abc", lambda name: done.append(name) or 2) == {
        "a": 1, "b": 2, "c": 3,
    }  # fmt: skip
    assert done == ["b"]


def test_a_fault_of_any_host_is_raised_by_all(meet):
    def fail():
        raise OSError("no Connection")

    meet(None, "no data", None)
    with pytest.raises(ValueError, match="host 1: no Connection") as raised:
        hosts.together(fail)
    # Whatever its text, it is not that of a host that is gone.
    assert not hosts._is_of_lost_host(raised.value)
    with pytest.raises(ValueError, match="host 0: no data"):
        hosts.together(lambda: "here")
    assert hosts.together(lambda: "here") == "here"


def test_hosts_that_differ_are_named(meet):
    meet({"Python": "3.11.9", "JAX": "1"}, {"seed": [1]})
    expected = "alike in Python. Received: host 0: 3.11.9, host 1: 3.12.0. Make"
    with pytest.raises(ValueError, match=expected):
        hosts.same({"Python": "3.12.0", "JAX": "1"})
    hosts.same({"seed": (1,)})


def test_memory_that_this_host_alone_lacks_ends_it(meet):
    store = meet()
    hosts.have_no_memory()
    store.late = True
    with pytest.raises(ValueError, match=r"Host 1 has no memory .* same on every host"):
        hosts.have_no_memory()


@pytest.mark.parametrize(
    ("text", "is_lost"),
    [
        ("UNKNOWN: Gloo all-reduce failed: Connection reset by peer", True),
        ("INTERNAL: Barrier failed because: UNAVAILABLE: Task 1 heartbeat", True),
        ("The loss is nan at step 3", False),
    ],
)
def test_a_lost_host_is_known_by_what_jax_says(text, is_lost):
    assert hosts._is_of_lost_host(ValueError(text)) is is_lost
    assert not hosts._is_of_lost_host(OSError(text))


def test_one_host_alone_meets_nobody():
    assert hosts.gather("x") == ["x"] and hosts.is_first() and hosts.count() == 1
    assert hosts.together(lambda: 1) == 1 and hosts.from_first(b"x") == b"x"
    assert hosts.part(4) == slice(0, 4)
    hosts.have_no_memory()
