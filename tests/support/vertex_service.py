"""A server on localhost with the requests to Vertex AI and Cloud Logging that this project makes.

What is sent to it is checked with the types of Google's client, which are generated from the service's definition.
"""

import json
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

from google.cloud.aiplatform_v1.types import (
    BatchPredictionJob,
    CustomJob,
    HyperparameterTuningJob,
    Model,
    ModelEvaluation,
    UploadModelRequest,
)

from tests.support.cloud import serving
from tests.support.environments import ROOT

WHERE = ["--project=p-abc", "--region=us-central1"]
FOLDERS = ["--data_bucket=films", "--training_data_dir=set/train", "--eval_data_dir=set/test"]
PARENT = "projects/p-abc/locations/us-central1"
JOBS = f"/v1/{PARENT}/customJobs"
NAME = f"{PARENT}/customJobs/4242"
TUNING = f"{PARENT}/hyperparameterTuningJobs/77"
PREDICTION = f"{PARENT}/batchPredictionJobs/88"
MODEL = f"{PARENT}/models/31"
UPLOAD = f"{MODEL}/operations/9"
EVALUATION = f"{MODEL}/evaluations/5"
TYPES = {NAME: CustomJob, TUNING: HyperparameterTuningJob, PREDICTION: BatchPredictionJob}
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
        found: more parts of the answer to a request for a job.

    Attributes:
        requests: (method, path, body) of every request.
    """

    daemon_threads = True

    def __init__(self, states, fault, work, found):
        super().__init__(("localhost", 0), _Handler)
        self.states, self.fault, self.work, self.found, self.requests = list(states), fault, work, found, []

    @property
    def url(self):
        return f"http://localhost:{self.server_port}"

    def answer(self, method, path, body):
        if self.fault:
            return refusal(*self.fault)
        for name, kind in TYPES.items():
            if (method, path) == ("POST", f"/v1/{name.rpartition('/')[0]}"):
                kind.from_json(json.dumps(body))
                self.work(body)
                return 200, body | {"name": name, "state": "JOB_STATE_QUEUED", "createTime": "2026-11-23T18:00:00Z"}
        if method == "GET" and path.removeprefix("/v1/") in TYPES:
            state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
            if isinstance(state, int):
                return refusal(state, "try again")
            job = {"name": path.removeprefix("/v1/"), "state": state, "createTime": "2026-11-23T18:00:00Z"} | self.found
            if state == "JOB_STATE_FAILED":
                job["error"] = {"code": 3, "message": "the replica workerpool0-0 exited with a non-zero status of 1"}
            return 200, job
        if method == "POST" and path.removeprefix("/v1/").removesuffix(":cancel") in TYPES:
            return 200, {}
        if (method, path) == ("POST", f"/v1/{PARENT}/models:upload"):
            UploadModelRequest.from_json(json.dumps(body))
            Model.from_json(json.dumps(body["model"]))
            return 200, {"name": UPLOAD, "done": False}
        if (method, path) == ("GET", f"/v1/{UPLOAD}"):
            kind = "type.googleapis.com/google.cloud.aiplatform.v1.UploadModelResponse"
            return 200, {
                "name": UPLOAD, "done": True, "response": {"@type": kind, "model": MODEL, "modelVersionId": "2"},
            }  # fmt: skip
        if (method, path) == ("POST", f"/v1/{MODEL}@2/evaluations:import"):
            ModelEvaluation.from_json(json.dumps(body["modelEvaluation"]))
            return 200, body["modelEvaluation"] | {"name": EVALUATION}
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
        path, body = unquote(self.path.partition("?")[0]), json.loads(data) if data else {}
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


def vertex_service(states=("JOB_STATE_SUCCEEDED",), fault=None, work=lambda _: None, found=None):
    """Returns a context manager; the server answers requests while the context is open."""
    return serving(Service(states, fault, work, found or {}))


def run(*argv):
    """Runs `pipelines.vertex` in another process and returns its subprocess.CompletedProcess."""
    command = [sys.executable, "-m", "pipelines.vertex", *argv]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
