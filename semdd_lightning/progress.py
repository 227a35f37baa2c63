"""Work on many images: in threads that keep its order, and how far it is, on a terminal or in a log."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice
from threading import Lock
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from semdd_lightning.names import get_logger

SECONDS = 30.0  # from one line in a log to the next
_log = get_logger(__name__)


@contextmanager
def image_progress(
    description: str,
    total: int | None,
    *,
    after: float = 0.0,
    keep: bool = True,
    show: bool = True,
    console: Console | None = None,
) -> Iterator[Callable[[int], None]]:
    """Show work on images: a bar on a terminal's stderr, elsewhere a line in the log every half minute.

    Args:
        description: What is done.
        total: Images that there are, None where that is not known yet.
        after: Seconds after which the bar appears, so that short work shows nothing.
        keep: Whether the bar stays when the work is done.
        show: Whether progress is wanted at all.
        console: Where to show it; stderr if None.

    Yields:
        Function to call with the number of images done since the last call.
    """
    console = console or Console(stderr=True)
    if not show:
        yield lambda _: None
        return
    if not console.is_terminal:
        yield _lines(description, total)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _ImagesPerSecond())
    progress = Progress(*columns, TimeRemainingColumn(), console=console, transient=not keep)
    task = progress.add_task(description, total=total)
    appears = time.monotonic() + after

    def advance(count: int) -> None:
        if time.monotonic() >= appears:
            progress.start()
        progress.advance(task, count)

    try:
        advance(0)
        yield advance
    finally:
        progress.stop()


class _ImagesPerSecond(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.1f} images/s", style="progress.data.speed")


def _lines(description: str, total: int | None) -> Callable[[int], None]:
    """Says how far work is, with rate and time left, at most once in a while."""
    began = said = time.monotonic()
    done, lock = 0, Lock()  # several threads may do the work

    def advance(count: int) -> None:
        nonlocal said, done
        with lock:
            done += count
            now = time.monotonic()
            if now - said < SECONDS:
                return
            said = now
        speed = done / (now - began)
        if total is None or speed == 0:
            _log.info("%s: %s, %.1f images/s", description, f"{done:,}", speed)
            return
        left = timedelta(seconds=round(max(0, total - done) / speed))
        shown = f"{done:,} of {total:,}"
        _log.info("%s: %s, %.1f images/s, about %s to go", description, shown, speed, left)

    return advance


@dataclass
class Stopwatch:
    """Seconds spent in named stages."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def measure(self, stage: str) -> Iterator[None]:
        """Add the time of a ``with`` block to a stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - start


T = TypeVar("T")
R = TypeVar("R")


def map_ahead(function: Callable[[T], R], items: Iterable[T], *, workers: int, ahead: int) -> Iterator[R]:
    """Map in threads, in order, at most `ahead` results in advance of the reader.

    >>> list(map_ahead(lambda x: x * x, range(4), workers=2, ahead=2))
    [0, 1, 4, 9]
    """
    executor = ThreadPoolExecutor(workers, thread_name_prefix="semdd-decode")
    waiting: deque[Future[R]] = deque()
    remaining = iter(items)
    try:
        waiting.extend(executor.submit(function, item) for item in islice(remaining, ahead))
        while waiting:
            result = waiting.popleft().result()
            waiting.extend(executor.submit(function, item) for item in islice(remaining, 1))
            yield result
    finally:
        executor.shutdown(wait=True, cancel_futures=True)
