"""On a process's PYTHONPATH: kills it, its run's main process or the whole run, at a chosen step below a folder.

A step is whatever changes the file system there: a file opened for writing, renamed or deleted, a folder made or
removed. The run must be a session of its own, so that its process group is that of its main process.

    KILL_BELOW    the folder
    KILL_AT       the number of the step, counted in each process by itself; 0 counts only
    KILL_WHAT     self, main or all
    KILL_COUNTS   a file that gets a line for every process that ends by itself: how many steps it took
"""

import atexit
import os
import signal
import sys
import threading

BELOW, AT, WHAT = os.environ["KILL_BELOW"], int(os.environ["KILL_AT"]), os.environ["KILL_WHAT"]
CHANGES = {  # event -> which of its arguments are a path, and the descriptor of the folder that it may be below
    "os.rename": ((0, 2), (1, 3)), "os.remove": ((0, 1),), "os.mkdir": ((0, 2),), "os.rmdir": ((0, 1),),
}  # fmt: skip
COUNTS = os.open(os.environ["KILL_COUNTS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
lock = threading.Lock()
steps = 0


def look(event, args):
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


sys.addaudithook(look)
atexit.register(lambda: os.write(COUNTS, f"{steps}\n".encode()))
