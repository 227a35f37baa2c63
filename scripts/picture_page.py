"""Draw docs/images/page.png, the README's picture, from the page of a selection.

python scripts/picture_page.py [PAGE]

Without a page it selects from the quickstart's pool first. Needs the extra `test` and a `chromium`.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from semdd_lightning.cli.main import main as semdd

PICTURE = Path(__file__).parents[1] / "docs" / "images" / "page.png"
SIZE = {"width": 1240, "height": 980}
MAP = "16rem"  # height of the map: in the page it is more
COLOURS = 128  # of the picture, which keeps it small


def main(argv: list[str]) -> None:
    """Make the page, unless one is given, and draw it.

    Args:
        argv: The page, if any.
    """
    with tempfile.TemporaryDirectory() as folder:
        page = Path(argv[0]) if argv else select(Path(folder))
        picture = Image.open(BytesIO(drawn(page.absolute())))
    picture.quantize(COLOURS, dither=Image.Dither.NONE).save(PICTURE, optimize=True)
    sys.stdout.write(f"{PICTURE}: {PICTURE.stat().st_size:,} bytes\n")


def select(folder: Path) -> Path:
    """The page of a selection from the quickstart's pool.

    Args:
        folder: Where it goes.
    """
    words = ["select", "--config=quickstart.yaml", "--ipc=8", f"--out={folder / 'chosen'}"]
    if semdd(words) != 0:
        msg = "Expected a selection from the quickstart's pool, found none; see above."
        raise SystemExit(msg)
    return folder / "chosen" / "report.html"


def drawn(page: Path) -> bytes:
    """Map and images of a page as a PNG, one image looked at, one pinned and one struck out.

    Args:
        page: The page.
    """
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        tab = browser.new_page(viewport=SIZE)  # type: ignore[arg-type]
        tab.goto(page.as_uri())
        tab.add_style_tag(content=f"#map {{ height: {MAP} }} [aria-labelledby=yours] {{ display: none }}")
        tab.evaluate("goToThumbnail(2)")
        tab.keyboard.press("p")
        tab.evaluate("goToThumbnail(9)")
        tab.keyboard.press("s")
        tab.evaluate("goToThumbnail(4)")
        tab.evaluate("document.getElementById('map-title').scrollIntoView()")
        tab.wait_for_timeout(500)  # what came into view is drawn
        picture = tab.screenshot()
        browser.close()
    return picture


if __name__ == "__main__":
    main(sys.argv[1:])
