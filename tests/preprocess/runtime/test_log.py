import io
import re
import threading

import pytest
from rich.console import Console

from preprocess.runtime import log as module
from preprocess.runtime.log import Log, next_wait, progress_line
from preprocess.runtime.text import format_duration


@pytest.mark.parametrize(
    ("done", "elapsed", "recent", "seconds", "expected"),
    [
        (0, 3.21, 0, 0, "preparing: 0 of 3,103, 3.2 s"),
        (1103, 60, 1000, 50, "preparing: 1,103 of 3,103, 20.0/s, 1:40 min left"),
        (3, 60, 2, 10, "preparing: 3 of 3,103, 0.2/s, 4:18:20 h left"),
        (3103, 62, 3000, 50, "preparing: 3,103 of 3,103, 1:02 min"),
    ],
)
def test_progress_lines(done, elapsed, recent, seconds, expected):
    assert progress_line("preparing", done, 3103, elapsed, recent, seconds) == expected


@pytest.mark.parametrize(("seconds", "text"), [(0, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (59.6, "1:00 min")])
def test_durations(seconds, text):
    assert format_duration(seconds) == text


def log_without_terminal():
    """Returns a log and the stream that it prints to."""
    stream = io.StringIO()
    return Log(Console(file=stream, width=100)), stream


def log_on_terminal():
    """Returns a log and the stream that it takes for a terminal."""
    stream = io.StringIO()
    return Log(Console(file=stream, width=100, force_terminal=True, force_interactive=True, color_system=None)), stream


def without_times(text):
    """Replaces durations by "N s"."""
    return re.sub(r"\d+\.\d s", "N s", text)


def watch(log, counts):
    """Runs a stage until its watcher has got the last of `counts`."""
    counted, waiting = threading.Event(), iter(counts)

    def count():
        value = next(waiting, counts[-1])
        if value == counts[-1]:
            counted.set()
        return value

    with log.watch("preparing", 10, count, interval=0.001):
        assert counted.wait(60)


def test_lines_at_intervals_without_a_terminal(monkeypatch):
    log, stream = log_without_terminal()
    watch(log, [0, 5, 10])
    assert without_times(stream.getvalue()) == "preparing: 10 of 10, N s\n"
    monkeypatch.setattr(module, "LINE_SECONDS", 0)
    log, stream = log_without_terminal()
    watch(log, [0, 5, 10])
    assert "preparing: 5 of 10" in stream.getvalue().splitlines()[1]


def test_a_bar_on_a_terminal():
    log, stream = log_on_terminal()
    watch(log, [0, 5, 10])
    assert "preparing" in stream.getvalue()
    assert "10/10" in stream.getvalue()


def test_a_settled_number_is_the_final_one():
    log, stream = log_without_terminal()
    with log.watch("preparing", 10, lambda: 0) as bar:
        bar.settle(9)
    assert without_times(stream.getvalue()) == "preparing: 9 of 10, N s\n"


def test_track_yields_all_items():
    log, stream = log_without_terminal()
    assert list(log.track("abc", 3, "reading")) == ["a", "b", "c"]
    assert without_times(stream.getvalue()) == "reading: 3 of 3, N s\n"


def test_stages_without_a_terminal():
    log, stream = log_without_terminal()
    with log.plan(["prepare", "train"]):
        with log.stage("prepare"):
            log.info("something")
        with pytest.raises(ValueError, match="no"), log.stage("train"):
            raise ValueError("no")
    assert without_times(stream.getvalue()).splitlines() == [
        "", "stage 1 of 2, prepare", "something", "stage 1 of 2, prepare: done, N s", "", "stage 2 of 2, train",
    ]  # fmt: skip


def test_stages_on_a_terminal_stay_visible():
    log, stream = log_on_terminal()
    with log.plan(["prepare", "train", "report"]):
        with log.stage("prepare"), log.bar("preparing", 10) as bar:
            bar.move(10)
        with pytest.raises(ValueError, match="no"), log.stage("train"):
            raise ValueError("no")
    last = re.split(r"\x1b\[[0-9;]*[A-Z]", stream.getvalue().rstrip())
    assert any("✓ prepare" in part for part in last)
    assert any("✗ train" in part for part in last)
    assert any("· report" in part for part in last)
    assert stream.getvalue().endswith("\x1b[?25h")  # the cursor is shown again


def test_an_error_restores_the_terminal():
    log, stream = log_on_terminal()
    with pytest.raises(ValueError, match="no"), log.bar("preparing", 1):
        raise ValueError("no")
    assert stream.getvalue().endswith("\x1b[?25h")


def test_counting_takes_two_percent_of_the_time_at_most():
    assert [next_wait(10, seconds) for seconds in (0, 0.1, 0.2, 1, 100)] == [10, 10, 10, 50, 5000]
