"""A server on localhost with the requests to Vertex AI's job service and Cloud Logging that this project makes."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.support.cloud import serving

JOBS = "/v1/projects/p-abc/locations/us-central1/customJobs"
NAME = "projects/p-abc/locations/us-central1/customJobs/4242"
STATUS = {
    401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED", 503: "UNAVAILABLE",
}  # fmt: skip


class Service(ThreadingHTTPServer):
    """The server.

    Args:
        states: the answers to the requests for a job, in order: a state, or an HTTP status for an error. The last one
            is repeated.
        fault: (HTTP status, message) with which every request fails; None for none.
        work: a function that is called with every job that is created.

    Attributes:
        requests: (method, path, body) of every request.
    """

    daemon_threads = True

    def __init__(self, states, fault, work):
        super().__init__(("localhost", 0), _Handler)
        self.states, self.fault, self.work, self.requests = list(states), fault, work, []

    @property
    def url(self):
        return f"http://localhost:{self.server_port}"

    def answer(self, method, path, body):
        if self.fault:
            return refusal(*self.fault)
        if (method, path) == ("POST", JOBS):
            self.work(body)
            return 200, body | {"name": NAME, "state": "JOB_STATE_QUEUED", "createTime": "2026-11-23T18:00:00Z"}
        if (method, path) == ("GET", f"/v1/{NAME}"):
            state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
            if isinstance(state, int):
                return refusal(state, "try again")
            job = {"name": NAME, "state": state, "createTime": "2026-11-23T18:00:00Z", "displayName": "x"}
            if state == "JOB_STATE_FAILED":
                job["error"] = {"code": 3, "message": "the replica workerpool0-0 exited with a non-zero status of 1"}
            return 200, job
        if (method, path) == ("POST", f"/v1/{NAME}:cancel"):
            return 200, {}
        if (method, path) == ("POST", "/v2/entries:list"):
            entry = {"logName": "projects/p-abc/logs/x", "resource": {"type": "ml_job"}, "insertId": "1"}
            return 200, {"entries": [
                entry | {"timestamp": "2026-11-23T18:00:01Z", "severity": "INFO", "textPayload": "step 50 of 100\n"},
                entry | {"timestamp": "2026-11-23T18:00:02Z", "severity": "ERROR", "jsonPayload": {"message": "no"}},
            ]}  # fmt: skip
        return refusal(404, f"{method} {path} is not known here")


def refusal(code, message):
    return code, {"error": {"code": code, "status": STATUS[code], "message": message}}


class _Handler(BaseHTTPRequestHandler):
    def _serve(self):
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path, body = self.path.partition("?")[0], json.loads(data) if data else {}
        self.server.requests.append((self.command, path, body))
        status, answer = self.server.answer(self.command, path, body)
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = _serve  # noqa: N815

    def log_message(self, format, *args):  # noqa: A002
        pass


def vertex_service(states=("JOB_STATE_SUCCEEDED",), fault=None, work=lambda _: None):
    """Returns a context manager; the server answers requests while the context is open."""
    return serving(Service(states, fault, work))
