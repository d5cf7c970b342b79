"""A proxy on loopback before a storage emulator: it lets chosen requests fail, as a network or a service would.

It also keeps the one promise of the service that the emulator does not keep: an upload with `ifGenerationMatch` is
refused where another generation of the object stands (0: where any does).
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

RESET, CUT = "reset", "cut"  # the connection breaks before a request is read, or in the middle of its answer
LOST = "lost"  # the request is done, and the connection breaks before its answer


class Proxy(ThreadingHTTPServer):
    """`fault(number, method, path)` says what becomes of a request: None, RESET, CUT, or a status."""

    daemon_threads = True

    def __init__(self, upstream, fault):
        super().__init__(("localhost", 0), _Handler)
        self.upstream, self.fault = urlsplit(upstream).netloc, fault
        self.asked, self.failed = [], 0
        self.lock = threading.Lock()

    def handle_error(self, request, client_address):
        """Nothing: a client that was killed leaves broken connections."""

    @property
    def url(self):
        return f"http://localhost:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or an answer's body waits 40 ms for its head to be acknowledged

    def _forward(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        server = self.server
        with server.lock:
            server.asked.append((self.command, self.path))
            fault = server.fault(len(server.asked), self.command, self.path)
            server.failed += fault is not None
            if fault is None and not self._generation_matches(body):
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
            self._answer(*self._ask(body), cut=fault == CUT)

    def _generation_matches(self, body):
        """Within the server's lock, so that of two uploads one comes first; its own upload follows it there."""
        expected = parse_qs(urlsplit(self.path).query).get("ifGenerationMatch")
        if not expected:
            return True
        name = json.loads(re.search(rb"\{.*?\}", body)[0])["name"]
        bucket = self.path.split("/b/")[1].split("/")[0]
        status, _, data = self._ask(b"", "GET", f"/storage/v1/b/{bucket}/o/{quote(name, safe='')}")
        standing = "0" if status == 404 else json.loads(data)["generation"]
        return expected == [standing]

    def _ask(self, body, method=None, path=None):
        upstream = http.client.HTTPConnection(self.server.upstream)
        headers = {k: v for k, v in self.headers.items() if k.lower() not in ("host", "accept-encoding", "connection")}
        upstream.request(method or self.command, path or self.path, body, headers)
        answer = upstream.getresponse()
        data = answer.read()
        dropped = ("connection", "transfer-encoding", "content-length", "date", "server")
        found = {k: v for k, v in answer.getheaders() if k.lower() not in dropped}
        upstream.close()
        return answer.status, found, data

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
    """A proxy that answers while the context is open."""
    return serving(Proxy(upstream, fault))
