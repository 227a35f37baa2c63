"""Damaged pools of every layout: each is read, with labels as its images show them, or refused in our words.

Some hundreds here; ``SEMDD_LONG=1 python -m pytest -n 2 tests/faults/test_pool_fuzz.py`` tries 10,000.
"""

from __future__ import annotations

import logging
import os
import shutil
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest

from semdd_lightning.errors import SemddError
from semdd_lightning.pools.any_pool import AnyPool
from semdd_lightning.pools.pool import Pool
from tests import layout_makers
from tests.faults.mutations import MUTATIONS, Files, read_files, write_files

LAYOUTS = sorted(layout_makers.MAKERS.keys() - {"cifar"})  # which is refused for any other hash
TRIES = -(-10_000 // len(LAYOUTS)) if os.environ.get("SEMDD_LONG") == "1" else 12
SECONDS = 20.0  # that one damaged pool may take on a busy machine
SMALL: dict[str, Any] = {
    "NUM_CLASSES": 3,
    "PER_CLASS": 2,
    "NUMBERS": ("0", "1", "2"),
    "WNIDS": layout_makers.WNIDS[:3],
}


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.ERROR, logger="semdd_lightning")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_damaged_pool_is_read_rightly_or_refused(layout: str, tmp_path: Path) -> None:
    with mock.patch.multiple(layout_makers, **SMALL):
        made = layout_makers.MAKERS[layout](tmp_path / "sound")
    sound = read_files(tmp_path / "sound")
    path = made.path.relative_to(tmp_path / "sound")
    faults, outcomes = [], Counter[str]()
    for number in range(TRIES):
        place = tmp_path / "damaged"
        files = _damaged(sound, number)
        write_files(place, files)
        outcome = _outcome(AnyPool(place / path, made.classes), tmp_path / "cache", made.images)
        outcomes[outcome.partition(":")[0]] += 1
        if outcome not in ("read", "refused"):
            faults.append(f"{layout} {number}: {outcome}")
        shutil.rmtree(place, ignore_errors=True)
        shutil.rmtree(tmp_path / "cache", ignore_errors=True)
    print(f"{layout}: {dict(outcomes)}")
    assert not faults, "\n".join(faults)


def _damaged(files: Files, number: int) -> Files:
    rng = np.random.default_rng(number)
    for _ in range(1 if number % 4 else 2):
        if files:
            files = MUTATIONS[int(rng.integers(len(MUTATIONS)))](files, rng)
    return files


def _outcome(reader: AnyPool, cache: Path, tolerated: int) -> str:
    started = time.monotonic()
    try:
        pool = reader.read(cache)
    except SemddError as error:
        return "refused" if str(error) else "silent: a refusal without words"
    except Exception as error:
        return f"foreign: {type(error).__name__}: {str(error)[:200]}"
    if time.monotonic() - started > SECONDS:
        return f"slow: {time.monotonic() - started:.0f} s"
    wrong = _wrong(pool)
    return "read" if wrong <= tolerated else f"wrong: {wrong} of {len(pool)} labels"


def _wrong(pool: Pool) -> int:
    """Images that are not of the class that most of their label show, or whose class most have another label.

    A damage may change what it hits: an image, its label, or what one class is called (up to the images of a
    class); it must not spread.
    """
    shown, labels = layout_makers.shown_classes(pool), pool.labels.tolist()
    pairs = Counter(zip(shown, labels, strict=True))
    kept, used = 0, (set[int](), set[int]())
    for (picture, label), count in pairs.most_common():
        if picture not in used[0] and label not in used[1]:
            used[0].add(picture)
            used[1].add(label)
            kept += count
    return len(pool) - kept
