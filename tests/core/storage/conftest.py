"""One S3 server for all tests of this folder, and a cache for each."""

import pytest

from competition.core.storage import leases, place, remote


@pytest.fixture(scope="session")
def server():
    """The server; use `bucket`, which is empty and without trouble."""
    from tests.core.storage import bucket as servers

    started = servers.Bucket()
    yield started
    started.server.shutdown()


@pytest.fixture
def bucket(server, tmp_path, monkeypatch):
    """An empty bucket, reached by the environment, and a cache of its own."""
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv(place.CACHE, str(tmp_path / "cache"))
    server.client.create_bucket(Bucket="bucket")
    yield server
    server.trouble = None
    server.requests.clear()
    for key in server.keys():
        server.client.delete_object(Bucket="bucket", Key=key)
    server.client.delete_bucket(Bucket="bucket")


@pytest.fixture
def anew():
    """A client that reads the environment once more."""
    import fsspec

    fsspec.get_filesystem_class("s3").clear_instance_cache()
    yield
    fsspec.get_filesystem_class("s3").clear_instance_cache()


@pytest.fixture
def hasty(monkeypatch):
    """A storage that nobody waits long for."""
    monkeypatch.setattr(remote, "PATIENCE", 0.5)


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Return a function after which this process is on another machine, by number."""

    def go(number):
        monkeypatch.setenv(place.CACHE, str(tmp_path / f"cache{number}"))
        leases._held.clear()

    return go
