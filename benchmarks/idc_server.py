"""A server on loopback in place of the bucket `idc-open-data`: `python -m benchmarks.idc_server [OPTIONS]`.

It implements the requests of the JSON API of Google Cloud Storage with which a bucket is read: listing, metadata, and
contents with `Range` and `generation`. The films are made while they are sent, see `idc_films`; nothing is stored on
disk. The first line of the output is the URL, for the variable STORAGE_EMULATOR_HOST of Google's client. SIGTERM ends
the server.

Differences from the bucket: it contains the full mammograms of CBIS-DDSM only; objects have no MD5; an answer with a
range has no checksum; credentials are ignored; there is no TLS. The metadata of the bucket itself are not public, as is
usual for a bucket whose objects are.
"""

import argparse
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

from benchmarks.idc_films import Film
from benchmarks.idc_objects import BUCKET, Objects, metadata
from benchmarks.line import Line
from benchmarks.measure import ROOT

_PATH = re.compile(r"(?:/download)?/storage/v1/b/([^/]+)(/o(?:/(.+))?)?")
_RANGE = re.compile(r"bytes=(?:(\d+)-(\d*)|-(\d+))")
_REASONS = {
    HTTPStatus.NOT_FOUND: "notFound",
    HTTPStatus.PRECONDITION_FAILED: "conditionNotMet",
    HTTPStatus.UNAUTHORIZED: "required",
}


class Server(ThreadingHTTPServer):
    """The server; each connection has a thread.

    Args:
        port: 0 for a free one.
        latency_ms: delay before the first byte of each answer.
        line: limits the answers of all connections together; None for no limit.
        sleep: a function like `time.sleep`, for the latency.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self,
        port: int = 0,
        latency_ms: float = 0,
        line: Line | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ):
        super().__init__(("127.0.0.1", port), _Handler)
        self.latency_seconds, self.line, self.sleep = latency_ms / 1e3, line, sleep
        self.objects = Objects()

    def handle_error(self, request: object, client_address: object) -> None:
        """Prints nothing if a client closed its connection."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # otherwise a body waits 40 ms for the acknowledgement of its header

    def do_GET(self) -> None:
        if self.server.latency_seconds:
            self.server.sleep(self.server.latency_seconds)
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        match = _PATH.fullmatch(url.path)
        if match is None:
            self._send_error(HTTPStatus.NOT_FOUND, "Not Found")
        elif match[1] != BUCKET:
            self._send_error(HTTPStatus.NOT_FOUND, "The specified bucket does not exist.")
        elif match[2] is None:  # the client asks for it in the background, see Google's `BucketMetadataCache`
            self._send_error(HTTPStatus.UNAUTHORIZED, "Anonymous caller does not have storage.buckets.get access.")
        elif match[3] is None:
            self._send_json(HTTPStatus.OK, self.server.objects.listing(query))
        else:
            self._send_object(unquote(match[3]), query)

    def _send_object(self, name: str, query: dict[str, str]) -> None:
        film = self.server.objects.films.get(name)
        generation = str(film.generation) if film else None
        if film is None or query.get("generation", generation) != generation:
            self._send_error(HTTPStatus.NOT_FOUND, f"No such object: {BUCKET}/{name}")
        elif query.get("ifGenerationMatch", generation) != generation:
            self._send_error(HTTPStatus.PRECONDITION_FAILED, "At least one of the pre-conditions did not hold.")
        elif query.get("alt") == "media":
            self._send_content(film)
        else:
            self._send_json(HTTPStatus.OK, metadata(film, query.get("fields", "")))

    def _send_content(self, film: Film) -> None:
        """Sends a film, or the range of it that the request asks for; an invalid range is ignored, as in HTTP."""
        start, stop, status = 0, film.byte_count, HTTPStatus.OK
        if match := _RANGE.fullmatch(self.headers.get("Range") or ""):
            first, last, suffix = match.groups()
            if suffix is not None:
                start = max(0, film.byte_count - int(suffix))
            else:
                start = int(first)
                stop = min(film.byte_count, int(last) + 1) if last else film.byte_count
            status = HTTPStatus.PARTIAL_CONTENT
            if start >= film.byte_count or suffix == "0":
                headers = {"Content-Range": f"bytes */{film.byte_count}"}
                self._send_error(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, "Request range not satisfiable", headers)
                return
            if start >= stop:
                start, stop, status = 0, film.byte_count, HTTPStatus.OK
        headers = {
            "Content-Type": "application/dicom",
            "X-Goog-Generation": str(film.generation),
            "X-Goog-Stored-Content-Length": str(film.byte_count),
        }
        if status == HTTPStatus.OK:
            headers["X-Goog-Hash"] = f"crc32c={film.crc32c}"
        else:
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{film.byte_count}"
        self._send_head(status, headers, stop - start)
        for piece in film.pieces(start, stop):
            self._send_body(piece)

    def _send_error(self, status: HTTPStatus, message: str, headers: dict[str, str] | None = None) -> None:
        error = {"message": message, "domain": "global", "reason": _REASONS.get(status, "invalid")}
        self._send_json(status, {"error": {"code": status, "message": message, "errors": [error]}}, headers)

    def _send_json(self, status: HTTPStatus, content: dict, headers: dict[str, str] | None = None) -> None:
        body = json.dumps(content).encode()
        self._send_head(status, {"Content-Type": "application/json; charset=UTF-8", **(headers or {})}, len(body))
        self._send_body(memoryview(body))

    def _send_head(self, status: HTTPStatus, headers: dict[str, str], length: int) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(length)}.items():
            self.send_header(name, value)
        self.end_headers()

    def _send_body(self, body: memoryview) -> None:
        if self.server.line is None:
            self.connection.sendall(body)
            return
        for start in range(0, len(body), Line.SLICE):
            part = body[start : start + Line.SLICE]
            self.server.line.wait(len(part))
            self.connection.sendall(part)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@contextmanager
def started(*options: str) -> Iterator[str]:
    """Runs the server in another process while the context is open; yields its URL."""
    command = [sys.executable, "-m", "benchmarks.idc_server", *options]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            if not url:
                raise SystemExit(f"the server did not start: {' '.join(command)}")
            yield url
        finally:
            process.terminate()


def main() -> None:
    """Parses the options and serves requests until a signal ends the process."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.idc_server", description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=0, help="of 127.0.0.1; without this option a free one")
    parser.add_argument("--latency_ms", type=float, default=0.0, help="delay before the first byte of each answer")
    parser.add_argument("--mbit", type=float, help="megabits per second of all answers together; no limit without it")
    options = parser.parse_args()
    if options.latency_ms < 0 or (options.mbit is not None and options.mbit <= 0):
        parser.error("expected --latency_ms of at least 0, and --mbit above 0")
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        server = Server(options.port, options.latency_ms, Line(options.mbit) if options.mbit else None)
    except (OSError, OverflowError) as error:
        sys.exit(f"port {options.port} of 127.0.0.1 cannot be used ({error}); choose another --port")
    _ = next(iter(server.objects.films.values())).header  # computes the pixels, before several threads need them
    print(server.url, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
