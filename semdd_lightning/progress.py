"""A progress bar for work on many images: how many, images per second and time left."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

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


class ImagesPerSecond(ProgressColumn):
    """Speed of a task."""

    def render(self, task: Task) -> Text:
        """Text of the column.

        Args:
            task: The task that the bar shows.
        """
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.1f} images/s", style="progress.data.speed")


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
    """Show work on images on a terminal's stderr; elsewhere show nothing.

    Args:
        description: What is done.
        total: Images that there are, None where that is not known yet.
        after: Seconds after which the bar appears, so that short work shows nothing.
        keep: Whether the bar stays when the work is done.
        show: Whether a bar is wanted at all.
        console: Where to show it; stderr if None.

    Yields:
        Function to call with the number of images done since the last call.
    """
    console = console or Console(stderr=True)
    if not (show and console.is_terminal):
        yield lambda _: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), ImagesPerSecond())
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
