"""Weights of open_clip's hub tags: the cached file if there is one, else a download."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from huggingface_hub import constants, model_info, try_to_load_from_cache
from open_clip.constants import HF_SAFE_WEIGHTS_NAME, HF_WEIGHTS_NAME
from open_clip.pretrained import download_pretrained

from semdd_lightning.errors import PriorError

URL_CACHE = Path("~/.cache/clip")
_PATIENCE = 10  # seconds


def find_or_fetch_weights(model: str, tag: str, config: Mapping[str, Any]) -> Path:
    """The weights file of a tag.

    Args:
        model: Architecture name.
        tag: Tag of open_clip's hub.
        config: open_clip's configuration of the tag (``hf_hub`` and ``url`` are read).

    Raises:
        PriorError: If the weights are not cached and cannot be fetched.
            The error says what is needed and where to put it.
    """
    cached = find_cached_weights(config)
    if cached is not None:
        return cached
    repository, _ = _hub_names(config)
    try:
        if repository:  # asked once: without a network, a download would be tried for a minute
            model_info(repository, timeout=_PATIENCE)
        return Path(download_pretrained(dict(config)))
    except Exception as error:  # whatever a client, a proxy or a full disk comes up with
        advice = (
            f"`hf download {repository} --local-dir my_clip`, and take that folder as the prior: it needs no "
            "network (in a config: model: my_clip, pretrained: null)"
            if repository
            else f"fetch {config.get('url')}, and take {model}:FILE as the prior, with its activation stated"
        )
        msg = (
            f"Expected the weights {tag!r} of {model!r} in the local cache or on the network, found neither "
            f"({type(error).__name__}: {_first_line(error)}); where there is a network, {advice}."
        )
        raise PriorError(msg) from error


def find_cached_weights(config: Mapping[str, Any]) -> Path | None:
    """The file of a tag that an earlier download left in a cache, if any.

    Args:
        config: open_clip's configuration of the tag.
    """
    repository, names = _hub_names(config)
    for name in names:
        found = try_to_load_from_cache(repository, name, cache_dir=constants.HF_HUB_CACHE)
        if isinstance(found, str):
            return Path(found)
    url = str(config.get("url") or "")
    candidate = URL_CACHE.expanduser() / PurePosixPath(url).name
    return candidate if url and candidate.is_file() else None


def _hub_names(config: Mapping[str, Any]) -> tuple[str, list[str]]:
    """Repository and weights files of a tag, the safe format first."""
    repository, _, name = str(config.get("hf_hub") or "").rpartition("/")
    if not repository:
        return "", []
    if not name:
        return repository, [HF_SAFE_WEIGHTS_NAME, HF_WEIGHTS_NAME]
    path = PurePosixPath(name)
    safe = [str(path.with_suffix(".safetensors"))] if path.suffix in (".bin", ".pth") else []
    return repository, [*safe, name]


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0]
