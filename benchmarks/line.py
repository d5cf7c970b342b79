"""A line of limited speed, which several threads share."""

import threading
import time
from collections.abc import Callable


class Line:
    """A line that all connections share: a token bucket. Bodies of answers are counted, headers are not.

    Args:
        mbit: megabits (1,000,000 bits) per second.
        clock, sleep: functions like those of `time`, in seconds.
    """

    SLICE = 128 << 10
    """Bytes that are sent at once."""
    _BURST_SECONDS = 0.02  # unused time that is kept, because `sleep` returns late

    def __init__(
        self, mbit: float, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ):
        self._rate, self._clock, self._sleep = mbit * 1e6 / 8, clock, sleep
        self._lock = threading.Lock()
        self._free = clock()

    def wait(self, count: int) -> None:
        """Waits until `count` bytes may have been sent."""
        with self._lock:
            now = self._clock()
            self._free = max(self._free, now - self._BURST_SECONDS) + count / self._rate
            seconds = self._free - now
        if seconds > 0:
            self._sleep(seconds)
