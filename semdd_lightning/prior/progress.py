"""A progress bar for encoding: images per second and time left."""

from __future__ import annotations

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

_WORTH_A_BAR = 200


class ImagesPerSecond(ProgressColumn):
    """Speed of a task."""

    def render(self, task: Task) -> Text:
        """Text of the column.

        Args:
            task: The task that the bar shows.
        """
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.1f} images/s", style="progress.data.speed")


@contextmanager
def encoding_progress(
    total: int, num_shards: int, *, show: bool, console: Console | None = None
) -> Iterator[Callable[[int], None]]:
    """Show the encoding of images on a terminal's stderr; elsewhere, and for short work, show nothing.

    Args:
        total: Images to encode.
        num_shards: Shards that they lie in.
        show: Whether a bar is wanted at all.
        console: Where to show it; stderr if None.

    Yields:
        Function to call with the number of images encoded since the last call.
    """
    console = console or Console(stderr=True)
    worth_it = total > _WORTH_A_BAR or num_shards > 1
    if not (show and total and worth_it and console.is_terminal):
        yield lambda _: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), ImagesPerSecond())
    with Progress(*columns, TimeRemainingColumn(), console=console) as progress:
        task = progress.add_task("Encoding images", total=total)
        yield lambda count: progress.advance(task, count)
