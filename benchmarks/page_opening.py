"""A page of 1,000 classes x 50 images, its size and its opening: ``python -m benchmarks.page_opening``.

The pool is made of smooth noise whose images have 96 px; a page of so many shows 48. It can be read when its
script has drawn its groups, and is open when the thumbnails, which stand last in the file, are there as well;
then the way to the images, a filter and a look at an image are timed.
Needs the extra `test` and a `chromium`.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from io import BytesIO
from pathlib import Path

import numpy as np
import psutil
import torch
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from benchmarks.measuring import ROUNDS, Result
from semdd_lightning.classes import ClassRegistry
from semdd_lightning.export import selection_table
from semdd_lightning.pools import Pool
from semdd_lightning.pools.listing import ImageSource, class_paths
from semdd_lightning.pools.pool import ImageTraits
from semdd_lightning.pools.strings import Strings
from semdd_lightning.report import statistics_record
from semdd_lightning.report.page.selection_page import write_page
from semdd_lightning.selection import Embeddings, build_sampler, selection_report

CLASSES, IPC, PER_CLASS = 1000, 50, 80
SIDE, DISTINCT = 96, 500
OPENED = "new Promise((done) => requestAnimationFrame(() => setTimeout(() => done(performance.now()))))"
# When the script has run and its groups have been painted; their thumbnails come last in the file.
NOTE_READABLE = """new MutationObserver((_, seen) => document.querySelector(".group") && (seen.disconnect(),
requestAnimationFrame(() => setTimeout(() => { window.toBeRead = performance.now(); })))
).observe(document, { childList: true, subtree: true });"""
STEPS: dict[str, str] = {
    "to the first images": "document.getElementById('images').scrollIntoView()",
    "a filter by file name": "form.elements.path.value = '7.jpg'; refresh()",
    "sorted by a score, in blocks": "form.reset(); form.elements.grouped.checked = false; "
    "form.elements.sort.value = 'quality'; refresh()",
    "a look at an image": "look(12345)",
}


class Noise(ImageSource):
    """A few pictures again and again, each encoded once."""

    def __init__(self) -> None:
        self._pictures = [self._encoded(seed) for seed in range(DISTINCT)]

    def read(self, row: int) -> bytes:
        """One of them, by its row."""
        return self._pictures[row % DISTINCT]

    @staticmethod
    def _encoded(seed: int) -> bytes:
        small = np.random.default_rng(seed).integers(30, 226, (SIDE // 8, SIDE // 8, 3), dtype=np.uint8)
        content = BytesIO()
        Image.fromarray(small).resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(
            content, "JPEG", quality=90
        )
        return content.getvalue()


def make_pool(classes: int, per_class: int) -> Pool:
    """A pool that lies in memory.

    Args:
        classes: Number of classes.
        per_class: Images of each.
    """
    count = classes * per_class
    names = tuple(f"class {c:04d}" for c in range(classes))
    registry = ClassRegistry(names, names)
    labels = np.repeat(np.arange(classes), per_class)
    files = Strings(f"{i:06d}.jpg" for i in range(count))
    sides = np.full(count, SIDE, dtype=np.int32)
    traits = ImageTraits(
        sides,
        sides,
        np.full(count, 40, dtype=np.float32),
        np.zeros((count, 32), dtype=np.uint8),
        np.zeros(count, dtype=np.uint64),
    )
    paths = class_paths(registry, labels, files)
    return Pool(Path("noise"), paths, labels, registry, (), "none", Noise(), np.arange(count), traits)


def make_page(file: Path, classes: int, ipc: int, per_class: int) -> Path:
    """Choose at random directions, and write the page.

    Args:
        file: Where it goes.
        classes: Number of classes.
        ipc: Images chosen of each.
        per_class: Images of each.
    """
    pool, generator = make_pool(classes, per_class), torch.Generator().manual_seed(0)
    images, texts = (
        torch.nn.functional.normalize(torch.randn(count, 32, generator=generator), dim=1)
        for count in (len(pool), classes)
    )
    seen = Embeddings(images, torch.from_numpy(pool.labels), texts, 100.0)
    selection = build_sampler("two_stage").select(seen, ipc)
    return write_page(
        file,
        selection_table(pool, selection),
        pool,
        images,
        report=statistics_record(selection_report(seen, selection)),
        manifest={"ipc": ipc, "sampler_name": "two_stage"},
        made_by="python -m benchmarks.page_opening",
        again="python -m benchmarks.page_opening",
    )


def measure(
    classes: int = CLASSES, ipc: int = IPC, per_class: int = PER_CLASS, rounds: int = ROUNDS
) -> Result:
    """Write the page, and open it several times, each in a browser of its own.

    Args:
        classes: Number of classes.
        ipc: Images chosen of each.
        per_class: Images of each.
        rounds: How often it is opened.
    """
    opening = ("to be read", "opened", "opened, of all processors")
    seconds: dict[str, list[float]] = {name: [] for name in (*opening, *STEPS)}
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        page = make_page(Path(folder) / "report.html", classes, ipc, per_class)
        written, size = time.perf_counter() - started, page.stat().st_size
        for _ in range(rounds):
            with sync_playwright() as playwright:
                chromium = shutil.which("chromium")
                browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
                tab = browser.new_page(viewport={"width": 1200, "height": 900})
                before = processor_seconds()
                tab.add_init_script(NOTE_READABLE)
                tab.goto(page.as_uri())
                seconds["opened"].append(tab.evaluate(OPENED) / 1000)
                seconds["to be read"].append(tab.evaluate("toBeRead") / 1000)
                seconds["opened, of all processors"].append(processor_seconds() - before)
                shown = tab.evaluate("all.length")
                for name, step in STEPS.items():
                    seconds[name].append(timed(tab, step))
                browser.close()
    settings = {"classes": classes, "ipc": ipc, "pool": classes * per_class, "images on the page": shown}
    figures = {"size, MB": size / 1e6, "selected and written, s": written}
    return Result("page_opening", settings, [], seconds, figures)


def processor_seconds() -> float:
    """What all processes of the browser have used: what others do on the machine plays next to no part."""
    processes = psutil.Process().children(recursive=True)
    times = [process.cpu_times() for process in processes if "chrom" in process.name()]
    return float(sum(of_one.user + of_one.system for of_one in times))


def timed(tab: Page, step: str) -> float:
    """Seconds until what a step changes is painted and every thumbnail in sight is there.

    Args:
        tab: The page.
        step: What is done.
    """
    drawn = (
        "() => waiting === null && [...document.querySelectorAll('.group ul')].every((list) => "
        "!list.rows.length || (({ top, bottom }) => top > innerHeight || bottom < 0)"
        "(list.getBoundingClientRect()))"
    )
    started = float(tab.evaluate(f"(() => {{ const began = performance.now(); {step}; return began; }})()"))
    tab.wait_for_function(drawn)
    return (float(tab.evaluate(OPENED)) - started) / 1000


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--classes", type=int, default=CLASSES)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    measure(options.classes, rounds=options.rounds).show()


if __name__ == "__main__":
    main()
