"""Kills processes of a run at a chosen step. It takes effect in processes that have this folder on their PYTHONPATH.

A step is a change of the file system below a chosen folder: a file is opened for writing, renamed or deleted, or a
folder is created or deleted. The run must be started in a new session, so that the ID of its process group is that of
its main process.

Environment variables:
    KILL_BELOW: the folder.
    KILL_AT: the number of the step, from 1, counted in each process; 0 to count only.
    KILL_WHAT: "self" to kill the process that takes the step, "main" for the main process of the run, "all" for all.
    KILL_COUNTS: a file; every process that is not killed appends a line with the number of its steps.
"""

import atexit
import os
import signal
import sys
import threading

BELOW, AT, WHAT = os.environ["KILL_BELOW"], int(os.environ["KILL_AT"]), os.environ["KILL_WHAT"]
CHANGES = {  # audit event -> indices of its arguments: a path, and the descriptor of the folder it is relative to
    "os.rename": ((0, 2), (1, 3)), "os.remove": ((0, 1),), "os.mkdir": ((0, 2),), "os.rmdir": ((0, 1),),
}  # fmt: skip
COUNTS = os.open(os.environ["KILL_COUNTS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
lock = threading.Lock()
steps = 0


def count_changes(event, args):
    if event == "open":
        paths = args[:1] if isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR) else ()
    else:
        paths = [absolute(args[path], args[folder]) for path, folder in CHANGES.get(event, ())]
    if any(isinstance(path, str) and path.startswith(BELOW) for path in paths):
        step()


def absolute(path, folder):
    return path if folder in (None, -1) else os.path.join(os.readlink(f"/proc/self/fd/{folder}"), path)


def step():
    global steps
    with lock:
        steps += 1
        reached = steps == AT
    if reached and WHAT == "all":
        os.killpg(os.getpgid(0), signal.SIGKILL)
    elif reached:
        os.kill(os.getpid() if WHAT == "self" else os.getpgid(0), signal.SIGKILL)


sys.addaudithook(count_changes)
atexit.register(lambda: os.write(COUNTS, f"{steps}\n".encode()))
