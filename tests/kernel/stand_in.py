"""A server that plays Kaggle for its real client, on the one port the client knows."""

import base64
import contextlib
import fcntl
import http.server
import json
import pathlib
import tempfile
import threading

PORT = 7777
URL = f"http://localhost:{PORT}"
USER, KEY = "jane-doe", "0123456789abcdef"
KNOWN = {
    "Bearer a-token",
    "Basic " + base64.b64encode(f"{USER}:{KEY}".encode()).decode(),
}


class Kaggle:
    """Kaggle's state, the requests that it received, and the answers it is to give.

    `faults` holds, by method, the (status, message) to answer first; status 0 hangs up.
    """

    def __init__(self):
        self.asked = []
        self.faults = {}
        self.blobs = {}
        self.versions = []
        self.dataset_statuses = ["READY"]
        self.kernels = []
        self.kernel_error = None
        self.refused = []
        self.kernel_statuses = ["COMPLETE"]
        self.failure = None
        self.outputs = {"submission.csv": b"id,class,predicted\n"}
        self.broken_off = 0
        self.submissions = []
        self.score_after = 1
        self.verdict = {"status": "COMPLETE", "publicScore": "0.81"}

    def answer(self, method, body):
        self.asked.append((method, body))
        fault = self.faults.get(method)
        if fault:
            status, message = fault.pop(0)
            return status, {"code": status, "message": message}
        return getattr(self, method)(body)

    def of(self, method):
        return [body for name, body in self.asked if name == method]

    def GetDatasetStatus(self, body):
        if not self.versions:
            return 404, {"code": 404, "message": "Dataset not found"}
        return 200, {"status": self._next(self.dataset_statuses)}

    def StartBlobUpload(self, body):
        token = f"blob-{len(self.blobs)}"
        self.blobs[token] = [body["name"], None]
        return 200, {"token": token, "createUrl": f"{URL}/upload/{token}"}

    def CreateDataset(self, body):
        self.versions.append({self.blobs[each["token"]][0] for each in body["files"]})
        return 200, {"status": "ok", "url": f"{URL}/dataset"}

    def CreateDatasetVersion(self, body):
        return self.CreateDataset(body["body"])

    def SaveKernel(self, body):
        if self.kernel_error:
            return 200, {"error": self.kernel_error}
        self.kernels.append(body)
        number = len(self.kernels)
        return 200, {
            "versionNumber": number,
            "url": f"{URL}/kernel",
            "invalidCompetitionSources": self.refused,
        }

    def GetKernelSessionStatus(self, body):
        status = self._next(self.kernel_statuses)
        return 200, {"status": status, "failureMessage": self.failure}

    def ListKernelSessionOutput(self, body):
        # A page holds one file, so that all pages have to be asked for.
        place = int(body.get("pageToken", 0))
        names = sorted(self.outputs)
        page = [
            {"fileName": name, "url": f"{URL}/output/{name}"}
            for name in names[place : place + 1]
        ]
        more = {"nextPageToken": str(place + 1)} if place + 1 < len(names) else {}
        return 200, {"files": page, "log": "first line\nlast line", **more}

    def CreateCodeSubmission(self, body):
        self.submissions.append(body["submissionDescription"])
        return 200, {"message": "Successfully submitted"}

    def ListSubmissions(self, body):
        scored = len(self.of("ListSubmissions")) > self.score_after
        verdict = self.verdict if scored else {"status": "PENDING"}
        return 200, {
            "submissions": [{"description": d, **verdict} for d in self.submissions]
        }

    def IntrospectToken(self, body):
        known = body["token"] == "a-token"
        return 200, {"active": known, "username": USER if known else ""}

    @staticmethod
    def _next(answers):
        return answers.pop(0) if len(answers) > 1 else answers[0]


@contextlib.contextmanager
def serve():
    """Yield a Kaggle that answers on the port, or None where the port is another's.

    Tests in other processes wait until this one is over.
    """
    lock = pathlib.Path(tempfile.gettempdir(), f"stand-in-{PORT}.lock")
    with lock.open("w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        kaggle = Kaggle()
        try:
            server = http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Handler)
        except OSError:
            yield None
            return
        server.kaggle = kaggle
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield kaggle
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


class Handler(http.server.BaseHTTPRequestHandler):
    """Takes requests to the Kaggle of its server."""

    def do_POST(self):
        body = json.loads(self._body() or b"{}")
        method = self.path.rpartition("/")[2]
        if method != "IntrospectToken" and self.headers["Authorization"] not in KNOWN:
            self._send(401, {"code": 401, "message": "Unauthenticated"})
            return
        status, answer = self.server.kaggle.answer(method, body)
        if status == 0:
            self.close_connection = True
            return
        self._send(status, answer)

    def do_PUT(self):
        data, fault = self._body(), self.server.kaggle.faults.get("PUT")
        if fault:
            self._send(fault.pop(0)[0], {})
            return
        self.server.kaggle.blobs[self.path.rpartition("/")[2]][1] = data
        self._send(200, {})

    def do_GET(self):
        name = self.path.removeprefix("/output/")
        data = self.server.kaggle.outputs[name]
        if self.server.kaggle.broken_off:
            self.server.kaggle.broken_off -= 1
            self.send_response(200)
            self.send_header("Content-Length", str(len(data) + 1))
            self.end_headers()
            self.wfile.write(data)
            return
        self._send(200, data)

    def _body(self):
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _send(self, status, answer):
        data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *arguments):
        pass
