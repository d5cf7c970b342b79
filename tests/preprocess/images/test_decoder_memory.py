"""The number of films that are decoded at the same time, and the memory from which it follows."""

import collections
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from preprocess.images import decoder_process, make_image
from preprocess.images.decoder_memory import MemoryBudget, needed_memory
from preprocess.images.film_task import FilmTask
from preprocess.runtime.memory import available_memory
from tests.support.films import random_film, write_image

SIZE = (60, 50)
LARGEST = FilmTask("", (7111, 5251), (7111, 5251), (128, 95), "area", 10**8)


@pytest.mark.parametrize("at_once", [1, 2])
def test_threads_start_only_as_many_decoder_processes_as_fit(at_once, tmp_path, monkeypatch):
    paths = [write_image(tmp_path / f"{n}.png", random_film(n, *SIZE)) for n in range(8)]
    tasks = [FilmTask(str(path), SIZE, SIZE, (12, 10), "area", 10**6, is_native=False) for path in paths]
    started = []

    class Counted(decoder_process.DecoderProcess):
        def __init__(self):
            started.append(self)
            super().__init__()

    monkeypatch.setattr(decoder_process, "DecoderProcess", Counted)
    monkeypatch.setattr(decoder_process, "_idle", collections.deque())
    monkeypatch.setattr(make_image, "_budget", MemoryBudget(at_once * needed_memory(tasks[0])))
    with ThreadPoolExecutor(4) as threads:
        images = list(threads.map(make_image.make_image, tasks))
    assert 1 <= len(started) <= at_once
    for number, image in enumerate(images):
        means = random_film(number, *SIZE).reshape(12, 5, 10, 5).mean((1, 3))
        assert np.abs(image - means).max() <= 0.5


def test_a_film_that_needs_more_than_there_is_is_decoded_alone():
    budget, used = MemoryBudget(10), []

    def reserve():
        with budget.reserve(1):
            used.append(budget._used)

    with budget.reserve(100):
        waiting = threading.Thread(target=reserve)
        waiting.start()
        assert budget._used == 100
    waiting.join()
    assert used == [1]


def test_reservations_are_granted_in_order():
    """A large film is not passed over by small ones that would fit."""
    budget, granted = MemoryBudget(10), []

    def reserve(size):
        with budget.reserve(size):
            granted.append(size)

    with budget.reserve(5):
        large = threading.Thread(target=reserve, args=(10,))
        large.start()
        while not budget._turn.locked():  # the large one waits for its turn
            pass
        small = threading.Thread(target=reserve, args=(1,))
        small.start()
        assert granted == []
    large.join()
    small.join()
    assert granted == [10, 1]


def test_the_largest_films_of_all_threads_fit_on_a_small_machine():
    memory, cores, threads = 8 << 30, 2, 8
    budget = memory // 2 // cores
    assert needed_memory(LARGEST) == (200 << 20) + 10 * 7111 * 5251
    films = min(threads, budget // needed_memory(LARGEST))
    assert films == 3
    peak = 479 << 20  # measured, see docs/decisions.md
    idle = 220 << 20
    assert cores * (films * peak + (threads - films) * idle) < 0.7 * memory
    assert cores * threads * peak > 0.9 * memory


MEMORY_INFO = "MemTotal:       24684096 kB\nMemFree:         8000000 kB\nMemAvailable:    2097152 kB\n"


@pytest.mark.parametrize(("files", "expected"), [
    ({"proc/meminfo": MEMORY_INFO}, 2 << 30),
    ({"proc/meminfo": MEMORY_INFO, "sys/fs/cgroup/memory.max": "1073741824\n"}, 1 << 30),  # in a container
    ({"proc/meminfo": MEMORY_INFO, "sys/fs/cgroup/memory.max": "max\n"}, 2 << 30),
    ({"proc/meminfo": MEMORY_INFO, "proc/self/cgroup": "0::/a.slice/b.scope\n",
      "sys/fs/cgroup/a.slice/b.scope/memory.max": "max\n", "sys/fs/cgroup/a.slice/memory.max": "1000\n"}, 1000),
    ({"proc/meminfo": MEMORY_INFO, "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}, 2 << 30),
    ({"proc/meminfo": MEMORY_INFO, "sys/fs/cgroup/memory/memory.limit_in_bytes": "5000\n"}, 5000),
    ({}, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")),  # macOS
])  # fmt: skip
def test_the_memory_that_there_is(files, expected, tmp_path):
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert available_memory(tmp_path) == expected
