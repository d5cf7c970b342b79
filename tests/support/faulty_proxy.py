"""A proxy on localhost in front of the storage emulator. It makes chosen requests fail, as a network or a service can.

It also implements a rule of Google Cloud Storage that the emulator ignores: an upload or deletion with
`ifGenerationMatch` fails with status 412 if the object has another generation; 0 means that the object must not exist.
"""

import http.client
import json
import re
import socket
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, quote, urlsplit

from tests.support.cloud import serving

RESET = "reset"  # the connection is reset; the request is not passed on
CUT = "cut"  # the connection ends in the middle of the response
LOST = "lost"  # the request is passed on, and the connection is reset before the response


class Proxy(ThreadingHTTPServer):
    """A proxy in front of the server at `upstream`.

    Args:
        fault: a function (request number from 1, method, path) -> None to pass the request on; RESET, CUT or LOST; or
            an HTTP status to answer with.

    Attributes:
        requests: (method, path) of every request.
        failed: the number of requests for which `fault` returned a fault.
    """

    daemon_threads = True

    def __init__(self, upstream, fault):
        super().__init__(("localhost", 0), _Handler)
        self.upstream, self.fault = urlsplit(upstream).netloc, fault
        self.requests, self.failed = [], 0
        self.lock = threading.Lock()

    def handle_error(self, request, client_address):
        """Prints nothing: tests kill clients, which breaks their connections."""

    @property
    def url(self):
        return f"http://localhost:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # otherwise a response's body waits 40 ms for the acknowledgement of its header

    def _forward(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        server = self.server
        with server.lock:
            server.requests.append((self.command, self.path))
            fault = server.fault(len(server.requests), self.command, self.path)
            server.failed += fault is not None
            answer = None
            if fault is None and (expected := parse_qs(urlsplit(self.path).query).get("ifGenerationMatch")):
                if expected == [self._current_generation(body)]:
                    answer = self._ask(body)  # with the lock held: no other change comes between check and change
                else:
                    fault = 412
        if fault == LOST:
            self._ask(body)
        if fault in (RESET, LOST):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.close()
        elif isinstance(fault, int):
            message = {"error": {"code": fault, "message": f"said by the service: {fault}"}}
            self._answer(fault, {"Content-Type": "application/json"}, json.dumps(message).encode())
        else:
            self._answer(*(answer or self._ask(body)), cut=fault == CUT)

    def _current_generation(self, body):
        """Returns the generation of the object that a request uploads or deletes; "0" if it does not exist."""
        path = urlsplit(self.path).path
        if self.command == "POST":  # an upload has the name of the object in its body
            name = json.loads(re.search(rb"\{.*?\}", body)[0])["name"]
            bucket = path.split("/b/")[1].split("/")[0]
            path = f"/storage/v1/b/{bucket}/o/{quote(name, safe='')}"
        status, _, data = self._ask(b"", "GET", path)
        return "0" if status == 404 else json.loads(data)["generation"]

    def _ask(self, body, method=None, path=None):
        """Sends this request, or another one, to the server; returns status, headers and body of its response."""
        upstream = http.client.HTTPConnection(self.server.upstream)
        headers = {k: v for k, v in self.headers.items() if k.lower() not in ("host", "accept-encoding", "connection")}
        upstream.request(method or self.command, path or self.path, body, headers)
        answer = upstream.getresponse()
        data = answer.read()
        dropped = ("connection", "transfer-encoding", "content-length", "date", "server")
        kept = {k: v for k, v in answer.getheaders() if k.lower() not in dropped}
        upstream.close()
        return answer.status, kept, data

    def _answer(self, status, headers, data, cut=False):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data[: len(data) // 2] if cut else data)
        self.close_connection = self.close_connection or cut

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _forward  # noqa: N815

    def log_message(self, format, *args):  # noqa: A002
        pass


def proxy(upstream, fault):
    """Returns a context manager; the proxy serves requests while the context is open."""
    return serving(Proxy(upstream, fault))
