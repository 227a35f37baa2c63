"""Whose directory it is: marked as unfinished until all is there, and taken over only from the dead."""

from __future__ import annotations

import shlex
import shutil
import time
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path

from semdd_lightning.atomic import remove_stale_files, writing
from semdd_lightning.errors import RunError
from semdd_lightning.locks import Lock
from semdd_lightning.pools.files import require_apart

MARK = ".unfinished"
DEAR = ("*.ckpt", "*.safetensors")  # trained students and labels


class Claim:
    """A directory that this process fills; nobody else may while it lives.

    Args:
        directory: new, empty, or left behind by a process that did not finish.
        again: whether a finished one may be opened again, as it holds what is asked for.

    Raises:
        RunError: if it holds something else, somebody fills it right now, or it cannot be made.
    """

    def __init__(self, directory: Path, *, again: bool = False) -> None:
        self.directory = directory
        self._was_finished = again and not is_unfinished(directory)
        self._lock = Lock(directory / MARK)
        with writing(directory):
            directory.mkdir(parents=True, exist_ok=True)
            self._take()
        remove_stale_files(directory)

    def _take(self) -> None:
        unfinished = is_unfinished(self.directory)
        if not unfinished and self.holds_something and not self._was_finished:
            raise _taken(self.directory)
        try:
            taken = self._lock.take(create=not unfinished)
        except FileNotFoundError as error:  # finished a moment ago
            raise _taken(self.directory) from error
        if not taken:
            msg = (
                f"Expected {self.directory} to be free, found that {self._lock.holder} fills it right now; "
                "wait for it, or give another."
            )
            raise RunError(msg)
        if not unfinished and self.holds_something and not self._was_finished:
            self._lock.give_back()
            raise _taken(self.directory)

    @property
    def holds_something(self) -> bool:
        """Whether somebody left something in it."""
        return any(entry.name != MARK for entry in self.directory.iterdir())

    def clear(self, but: Collection[str] = ()) -> None:
        """Remove what was left behind but some files, to start anew; refuse what took long to make."""
        if any(next(self.directory.rglob(pattern), None) for pattern in DEAR):
            msg = (
                f"Expected {self.directory} to be new or of this very command, found what another left "
                f"unfinished; `semdd resume {shlex.quote(str(self.directory))}` goes on with it, or give "
                "another directory."
            )
            raise RunError(msg)
        for entry in self.directory.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            elif entry.name not in (MARK, *but):
                entry.unlink()

    def go_on(self) -> None:
        """There is more to do in a finished one: whoever stops this process leaves it unfinished."""
        self._was_finished = False

    def adopt(self, folder: Path) -> None:
        """Move what a folder within the directory holds up into it."""
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.is_file()):  # folders first
            entry.replace(self.directory / entry.name)
        folder.rmdir()

    def __enter__(self) -> Claim:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """All is there; or leave what is there to whoever takes it over, and no empty directory."""
        empty = not self.holds_something
        self._lock.give_back(keep_file=error is not None and not empty and not self._was_finished)
        if error is not None and empty:
            self.directory.rmdir()


def claim_apart(
    wanted: Path | None, root: Path, name: str, images: Iterable[object], *, again: bool = False
) -> Claim:
    """Claim the directory that was asked for, else a new one, apart from the images that are read.

    Args:
        wanted: exactly this directory (default: ``root/name/<time>``).
        root: folder of all such directories.
        name: group of those that are alike.
        images: where images lie, if anywhere.
        again: whether a finished one may be opened again, as it holds what is asked for.

    Raises:
        RunError: if it is not apart, is taken, or cannot be made.
    """
    for place in images:
        require_apart(wanted or root / name / "new", place)
    return claim_new(root, name) if wanted is None else Claim(wanted, again=again)


def claim_new(root: Path, name: str) -> Claim:
    """Claim a new directory ``root/name/<time>``, with a number behind it if that is taken."""
    if Path(name).is_absolute() or ".." in Path(name).parts or not Path(name).parts:
        msg = f"Expected a name for a folder below {root}, found {name!r}; give another --run.name."
        raise RunError(msg)
    for mark in (root / name).glob(f"*/{MARK}"):  # runs that nobody goes on with
        remove_stale_files(mark.parent)
    stamp = time.strftime("%Y-%m-%d_%H-%M-%S")
    for attempt in range(1000):
        directory = root / name / (stamp if attempt == 0 else f"{stamp}.{attempt}")
        with writing(directory), suppress(FileExistsError):
            directory.mkdir(parents=True)
            return Claim(directory)
    msg = f"Expected a free name for a run in {root / name}, found none; give another --run.name."
    raise RunError(msg)


def is_unfinished(directory: Path) -> bool:
    """Whether a directory is one that nobody has finished yet."""
    return (directory / MARK).is_file()


def _taken(directory: Path) -> RunError:
    return RunError(f"Expected {directory} to be new, found it there; nothing was overwritten, give another.")
