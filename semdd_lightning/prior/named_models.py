"""Architectures, tags and activations of open_clip: what fits together, and where a tag has its weights."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from difflib import get_close_matches
from pathlib import Path, PurePosixPath
from typing import Any

from huggingface_hub import constants, model_info, try_to_load_from_cache
from open_clip import list_models, list_pretrained_tags_by_model
from open_clip.constants import HF_SAFE_WEIGHTS_NAME, HF_WEIGHTS_NAME
from open_clip.factory import get_model_config
from open_clip.pretrained import download_pretrained, get_pretrained_cfg

from semdd_lightning.errors import PriorError
from semdd_lightning.names import warn
from semdd_lightning.prior.preprocessing import Preprocessing
from semdd_lightning.prior.sources import Activation, ModelSource

URL_CACHE = Path("~/.cache/clip")

_PATIENCE = 10  # seconds
_QUICK_SUFFIX = "-quickgelu"
_PREPROCESSING = ("mean", "std", "interpolation", "resize_mode")


def named_source(model: str, pretrained: str | None, activation: Activation | None) -> ModelSource:
    """The model of an architecture name with its tag or weights file; only an uncached tag is fetched."""
    tag_config = check_named(model, pretrained, activation)
    name, pretrained = _clean_name(model), str(pretrained)
    model_cfg = deepcopy(get_model_config(name))
    if tag_config is None:
        weights, quick = Path(pretrained).expanduser(), activation == "quickgelu"
        preprocess_cfg = _usual_preprocessing(name)
    else:
        weights, quick = (
            _find_or_fetch_weights(name, pretrained, tag_config),
            bool(model_cfg.get("quick_gelu")),
        )
        preprocess_cfg = tag_config
    model_cfg["quick_gelu"] = quick
    preprocessing = Preprocessing.from_config(preprocess_cfg, model_cfg["vision_cfg"].get("image_size", 224))
    return ModelSource(name, weights, "quickgelu" if quick else "gelu", model_cfg, preprocessing)


def check_named(model: str, pretrained: str | None, activation: Activation | None) -> dict[str, Any] | None:
    """Refuse an architecture name, tag, weights file or activation that are unknown or contradict each other.

    Returns:
        open_clip's configuration of the tag; None for a weights file.
    """
    name = _clean_name(model)
    if name not in list_models():  # asked first: a prefix would make open_clip ask the network
        raise PriorError(_unknown_model(model))
    config = get_model_config(name)
    quick = bool(config.get("quick_gelu", False))
    tags = list_pretrained_tags_by_model(name)
    if pretrained is None:
        msg = (
            f"Expected weights for the architecture {name!r}, found none; give pretrained as a weights file "
            f"or as one of its tags: {', '.join(tags) or 'it has none'}."
        )
        raise PriorError(msg)
    tag_config: dict[str, Any] = get_pretrained_cfg(name, pretrained)
    if tag_config:
        _check_tag_activation(name, pretrained, tag_config, quick, activation)
        return tag_config
    if Path(pretrained).expanduser().is_file():
        _check_file_activation(name, pretrained, quick, activation)
        return None
    raise PriorError(_unknown_tag(name, pretrained, tags))


def _usual_preprocessing(name: str) -> dict[str, Any]:
    """Preprocessing of an architecture's published weights, the most frequent where they disagree."""
    configs = [get_pretrained_cfg(name, tag) for tag in list_pretrained_tags_by_model(name)]
    known = [{entry: config[entry] for entry in _PREPROCESSING} for config in configs]
    if not known:
        return {}
    usual = max(known, key=known.count)
    if any(config != usual for config in known):
        warn(
            f"The published weights of {name!r} were trained with different preprocessing; {usual} is "
            "assumed for the weights file. A model directory with open_clip_config.json states it.",
            stacklevel=2,
        )
    return usual


def _clean_name(model: str) -> str:
    """open_clip's spelling of an architecture name.

    >>> _clean_name("ViT-B/32")
    'ViT-B-32'
    """
    return model.replace("/", "-")


def _check_tag_activation(
    name: str, tag: str, tag_config: dict[str, Any], quick: bool, activation: Activation | None
) -> None:
    wanted = bool(tag_config.get("quick_gelu", False))
    other = f"{name}{_QUICK_SUFFIX}" if wanted else name.removesuffix(_QUICK_SUFFIX)
    # A tag without a note, of an architecture that has no twin, was trained as the architecture says.
    if wanted != quick and other != name and get_model_config(other) is not None:
        msg = (
            f"Expected an architecture with the activation that the weights {tag!r} were trained with "
            f"({'quickgelu' if wanted else 'gelu'}), found {name!r}; use the architecture {other!r}."
        )
        raise PriorError(msg)
    found = "quickgelu" if quick else "gelu"
    if activation not in (None, found):
        msg = (
            f"Expected activation {activation!r}, found that {name!r} with {tag!r} uses {found!r}; "
            "leave activation out."
        )
        raise PriorError(msg)


def _check_file_activation(name: str, weights: str, quick: bool, activation: Activation | None) -> None:
    if activation is None:
        msg = (
            f"Expected activation to be stated for the weights file {weights}, found none: a weights file "
            "does not say which activation it was trained with, and the wrong one silently spoils every "
            "embedding; set activation to 'quickgelu' (OpenAI's weights and those derived from them) or "
            "'gelu'."
        )
        raise PriorError(msg)
    if quick and activation != "quickgelu":
        base = name.removesuffix(_QUICK_SUFFIX)
        msg = (
            f"Expected activation 'quickgelu' for the architecture {name!r}, found {activation!r}; "
            f"state 'quickgelu' or use the architecture {base!r}."
        )
        raise PriorError(msg)


def _unknown_model(model: str) -> str:
    if model.startswith("hf-hub:"):
        repository = model.removeprefix("hf-hub:")
        return (
            f"Expected a local directory or an architecture name, found {model!r}; fetch it first with "
            f"`hf download {repository} --local-dir DIR` and give DIR as the model."
        )
    close = get_close_matches(model, list_models(), n=5, cutoff=0.4)
    return (
        f"Expected a model directory, 'digits' or an architecture of open_clip, found {model!r}, which is "
        f"none of them; {'did you mean ' + ', '.join(close) if close else 'see open_clip.list_models()'}?"
    )


def _unknown_tag(name: str, tag: str, tags: list[str]) -> str:
    twin = name.removesuffix(_QUICK_SUFFIX)
    if twin != name and get_pretrained_cfg(twin, tag):
        return (
            f"Expected weights trained with quickgelu for the architecture {name!r}, found {tag!r}, which "
            f"were trained with gelu; use the architecture {twin!r}."
        )
    close = get_close_matches(tag, tags, n=3, cutoff=0.4)
    return (
        f"Expected pretrained to be a weights file or a tag of {name!r}, found {tag!r}, which is neither; "
        f"{'did you mean ' + ', '.join(close) + '? ' if close else ''}"
        f"Its tags are: {', '.join(tags) or 'none'}."
    )


def _find_or_fetch_weights(model: str, tag: str, config: Mapping[str, Any]) -> Path:
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
        reason = str(error).partition("\n")[0]
        msg = (
            f"Expected the weights {tag!r} of {model!r} in the local cache or on the network, found neither "
            f"({type(error).__name__}: {reason}); where there is a network, {advice}."
        )
        raise PriorError(msg) from error


def find_cached_weights(config: Mapping[str, Any]) -> Path | None:
    """The file that an earlier download of a tag, by its configuration, left in a cache, if any."""
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
