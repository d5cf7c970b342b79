"""The content of a lock file: who holds the lock."""

import getpass
import json
import os
import socket
import time


class Held(Exception):
    """Another process holds the lock; the message says which."""

    def __init__(self, holder: bytes, after: str = ""):
        try:
            content = json.loads(holder)
            who = f"{content['who']}, since {content['since']}"
        except (ValueError, TypeError, KeyError):  # it has not written its name yet
            who = "since just now"
        super().__init__(f"{who}{after}")


def describe_holder(token: str) -> bytes:
    """Returns the content of a lock file of this process.

    Args:
        token: identifies this lock, see `lock.check`.
    """
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # in a container, the user may have no name
        user = str(os.getuid())
    since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
    return json.dumps({"who": f"{user}@{socket.gethostname()}, process {os.getpid()}", "since": since,
                       "token": token}).encode()  # fmt: skip
