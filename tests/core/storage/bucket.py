"""A real S3 server on the loopback, which can be slow, fail, refuse, and be full."""

import re
import socket
import threading
import time

import pytest

pytest.importorskip("s3fs")
pytest.importorskip("moto")
pytest.importorskip("flask_cors")

import boto3
from moto.moto_server import werkzeug_app
from werkzeug import serving

KEYS = {"AWS_ACCESS_KEY_ID": "visible", "AWS_SECRET_ACCESS_KEY": "hidden-secret"}
ERROR = "<?xml version='1.0'?><Error><Code>{}</Code><Message>no</Message></Error>"


class Bucket:
    """Moto's server behind a door, which each request passes.

    `trouble` is called with the method and the path of a request, and returns None, a
    status with the code of an error, or "cut" to close the connection half way.
    """

    def __init__(self):
        self.app = werkzeug_app.DomainDispatcherApplication(
            werkzeug_app.create_backend_app
        )
        self.trouble, self.requests = None, []
        self.server = serving.make_server(
            "127.0.0.1", 0, self, threaded=True, request_handler=Quiet
        )
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.port}"
        self.environment = KEYS | {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": "/nowhere",
            "AWS_SHARED_CREDENTIALS_FILE": "/nowhere",
        }
        self.client = boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id="tests",
            aws_secret_access_key="tests",
        )

    def __call__(self, environ, start_response):
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        own = "Credential=tests/" in environ.get("HTTP_AUTHORIZATION", "")
        if not own:
            self.requests.append((method, path))
        trouble = None if own or not self.trouble else self.trouble(method, path)
        if trouble == "cut":
            if method == "PUT":
                environ["wsgi.input"].read(1)
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            raise ConnectionResetError
        if trouble:
            status, code = trouble
            # No answer to a HEAD has a body: what came after its end would be an error.
            body = b"" if method == "HEAD" else ERROR.format(code).encode()
            headers = [("Content-Type", "application/xml")]
            start_response(f"{status} no", headers)
            return [body]
        return self.app(environ, start_response)

    def put(self, key, content, name="bucket"):
        self.client.put_object(Bucket=name, Key=key, Body=content)

    def put_folder(self, folder, key):
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                self.put(
                    f"{key}/{path.relative_to(folder).as_posix()}", path.read_bytes()
                )

    def get(self, key):
        return self.client.get_object(Bucket="bucket", Key=key)["Body"].read()

    def keys(self, prefix=""):
        pages = self.client.get_paginator("list_objects_v2")
        pages = pages.paginate(Bucket="bucket", Prefix=prefix)
        return [each["Key"] for page in pages for each in page.get("Contents", ())]

    def content(self, prefix=""):
        return {key: self.get(key) for key in self.keys(prefix)}

    def asked(self, method, pattern=""):
        return [
            path
            for m, path in self.requests
            if m == method and re.search(pattern, path)
        ]


class Quiet(serving.WSGIRequestHandler):
    def log(self, *_):
        pass


def first(count, trouble, method="", pattern=""):
    """Return the trouble of the first `count` requests that fit; others pass."""
    left = [count]

    def meet(asked, path):
        if asked.startswith(method) and re.search(pattern, path) and left[0]:
            left[0] -= 1
            if isinstance(trouble, float):
                time.sleep(trouble)
                return None
            return trouble
        return None

    return meet
