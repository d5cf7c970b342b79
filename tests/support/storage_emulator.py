"""Runs gcp-storage-emulator on a free port of localhost, with its data in memory.

    python -m tests.support.storage_emulator

The first line of the output is the port. The emulator's own command takes a port number and prints that number, so a
free port would have to be chosen, and could be taken by another process, before the emulator binds it.
"""

from functools import partial
from http.server import HTTPServer

from gcp_storage_emulator.server import RequestHandler
from gcp_storage_emulator.storage import Storage


def main():
    server = HTTPServer(("localhost", 0), partial(RequestHandler, Storage(use_memory_fs=True)))
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
