"""A DoFn that processes several elements at a time, for work that waits for answers of a store."""

import collections
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import TaggedOutput
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.windowed_value import WindowedValue


class InThreads(beam.DoFn):
    """Calls a function with every element, several at a time, and emits the results in the order of the elements.

    Args:
        function: takes an element and the side inputs, and is called in a thread.
        emit: takes a result and yields outputs, and is called in the thread of the bundle, as Beam's counters require.
        threads: number of elements at a time; with 1, no thread is started.
    """

    def __init__(self, function: Callable[..., Any], emit: Callable[[Any], Iterator[Any]], threads: int):
        self._function, self._emit, self._count = function, emit, threads

    def start_bundle(self):
        self._threads = ThreadPoolExecutor(self._count)
        self._running: collections.deque[Future] = collections.deque()

    def process(self, element, *side_inputs):
        if self._count == 1:
            yield from self._emit(self._function(element, *side_inputs))
            return
        self._running.append(self._threads.submit(self._function, element, *side_inputs))
        if len(self._running) > self._count:
            yield from self._emit(self._next_result())

    def finish_bundle(self):
        while self._running:
            for output in self._emit(self._next_result()):
                if isinstance(output, TaggedOutput):
                    yield TaggedOutput(output.tag, _in_global_window(output.value))
                else:
                    yield _in_global_window(output)
        self._threads.shutdown()

    def _next_result(self) -> Any:
        try:
            return self._running.popleft().result()
        except BaseException:
            self._threads.shutdown(wait=False, cancel_futures=True)
            raise


def _in_global_window(value: Any) -> WindowedValue:
    window = GlobalWindow()
    return WindowedValue(value, window.max_timestamp(), [window])
