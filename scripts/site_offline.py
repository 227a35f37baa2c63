"""Refuses a documentation site that asks another host for anything: a hook of mkdocs, see ``mkdocs.yml``.

A page may link to others; but what a browser loads by itself has to lie beside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError

LOADED = {"src", "srcset", "poster", "data"}
LOADING_RELATIONS = {
    "stylesheet",
    "icon",
    "preload",
    "prefetch",
    "preconnect",
    "dns-prefetch",
    "modulepreload",
}
ELSEWHERE = re.compile(r"(?:^|[\s,])(?:https?:)?//", re.IGNORECASE)
LOADED_BY_STYLE = re.compile(r"(?:url\(|@import)\s*[\"']?\s*((?:https?:)?//[^\"')\s]+)", re.IGNORECASE)


def on_post_build(config: MkDocsConfig) -> None:
    """Look through what was built."""
    found = sorted(set(outside_requests(Path(config.site_dir))))
    if found:
        lines = "\n".join(f"  {page}: {address}" for page, address in found)
        msg = f"Expected a site that loads nothing from other hosts, found\n{lines}\nput it beside the page."
        raise PluginError(msg)


def outside_requests(site: Path) -> Iterator[tuple[str, str]]:
    """Files of a site, each with an address on another host that a browser would load from it."""
    for path in site.rglob("*"):
        if path.suffix == ".html":
            reader = _Loads()
            reader.feed(path.read_text())
            addresses = reader.addresses
        elif path.suffix == ".css":
            addresses = LOADED_BY_STYLE.findall(path.read_text())
        else:
            continue
        for address in addresses:
            yield str(path.relative_to(site)), address


class _Loads(HTMLParser):
    """Collects what a page loads from other hosts."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self._in_style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        loads = [given[name] for name in sorted(LOADED & given.keys())]
        if tag == "link" and LOADING_RELATIONS & set(given.get("rel", "").lower().split()):
            loads.append(given.get("href", ""))
        self.addresses += [address for address in loads if ELSEWHERE.search(address)]
        self.addresses += LOADED_BY_STYLE.findall(given.get("style", ""))
        self._in_style = tag == "style"

    def handle_data(self, data: str) -> None:
        if self._in_style:
            self.addresses += LOADED_BY_STYLE.findall(data)

    def handle_endtag(self, tag: str) -> None:
        self._in_style = False
