import io
import threading

import pytest

from pipelines import progress
from pipelines.progress import Progress, line


@pytest.mark.parametrize(
    ("done", "elapsed", "recent", "seconds", "expected"),
    [
        (0, 3.2, 0, 0, "preparing: 0 of 3,103 images, 3 s"),
        (1103, 60, 1000, 50, "preparing: 1,103 of 3,103 images, 20.0 images/s, 1:40 min left"),
        (3, 60, 2, 10, "preparing: 3 of 3,103 images, 0.2 images/s, 4:18:20 h left"),
        (3103, 62, 3000, 50, "preparing: 3,103 of 3,103 images, 1:02 min"),
    ],
)
def test_a_line(done, elapsed, recent, seconds, expected):
    assert line("preparing", done, 3103, elapsed, recent, seconds) == expected


class Terminal(io.StringIO):
    def isatty(self):
        return True


def watch(stream, counts):
    """Runs a stage until the watcher has counted as often as there are counts."""
    counted, waiting = threading.Event(), iter(counts)

    def count():
        value = next(waiting, counts[-1])
        if value == counts[-1]:
            counted.set()
        return value

    with Progress("preparing", 10, count, stream, look_seconds=0.001):
        assert counted.wait(60)
    return stream.getvalue()


def test_a_terminal_sees_one_line_that_renews_itself():
    shown = watch(Terminal(), [0, 5, 10])
    assert shown.count("\n") == 1
    assert shown.startswith("\r\x1b[2Kpreparing: 0 of 10 images")
    assert "\r\x1b[2Kpreparing: 5 of 10 images" in shown
    assert shown.endswith("preparing: 10 of 10 images, 0 s\n")


def test_a_log_gets_a_line_every_so_often(monkeypatch):
    assert watch(io.StringIO(), [0, 5, 10]) == "preparing: 10 of 10 images, 0 s\n"
    monkeypatch.setattr(progress, "LOG_SECONDS", 0)
    assert "preparing: 5 of 10 images" in watch(io.StringIO(), [0, 5, 10]).splitlines()[1]


def test_what_moved_on_is_still_done():
    stream = io.StringIO()
    with Progress("preparing", 10, lambda: 0, stream) as shown:
        shown.settle(9)
    assert stream.getvalue() == "preparing: 9 of 10 images, 0 s\n"


def test_a_failure_leaves_the_terminal_on_a_new_line():
    stream = Terminal()

    def fail():
        with Progress("preparing", 10, lambda: 0, stream):
            raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011
        fail()
    assert stream.getvalue().endswith("\n")
