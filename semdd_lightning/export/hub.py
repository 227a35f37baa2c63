"""A shared selection on the Hugging Face hub: its card, and its upload as a new, private data set."""

from __future__ import annotations

import hashlib
import html
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from semdd_lightning.errors import RunError
from semdd_lightning.export.chosen_images import ChosenImages
from semdd_lightning.export.manifest import FILE_NAME, Manifest
from semdd_lightning.names import command, shown
from semdd_lightning.pools.any_pool import hub_name

KIND = "dataset"
_TITLE = 60  # letters of a pool's name
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_CARD = """\
---
# license: fill in the licence of the source images here, without the leading hash
{front}---

# {title}

{made.ipc} images for each of {classes} classes, chosen by {chosen_by} out of the image pool \
{pool} with semdd-lightning {made.semdd_version}.

| | |
|---|---|
{rows}

## Loading

```python
{load}
```

Class indices are those of `classes.csv`, from 0 on, in its order. The scores are explained in the manual of
semdd-lightning. Whoever has the source pool picks the same images out of it, bit for bit:

```sh
semdd apply {manifest} POOL --out chosen
```

## Soft labels

{soft_labels}

## Licence

To be filled in: the licence of the source images, what the images show, and whom to name. `{manifest}` holds
paths of the machine on which the images were chosen.
"""


def dataset_card(chosen: ChosenImages, data_files: str, load: str, soft_labels: str) -> str:
    """A data set card in the form of the Hugging Face hub: facts for its index, then text."""
    from huggingface_hub import DatasetCardData

    manifest = chosen.manifest
    pool = pool_name(manifest)
    title = f"{len(chosen)} images of {pool}"
    front = DatasetCardData(
        pretty_name=shown(title),
        task_categories=["image-classification"],
        tags=["dataset-distillation", "coreset-selection", "semdd-lightning"],
        size_categories=[next((word for most, word in _SIZES if len(chosen) < most), "n>1M")],
        configs=[{"config_name": "default", "data_files": [{"split": "train", "path": data_files}]}],
    )
    rows = "\n".join(f"| {what} | {_cell(said)} |" for what, said in _facts(chosen).items())
    return _CARD.format(
        front=f"{front.to_yaml()}\n",
        title=_cell(title),
        made=manifest,
        classes=len(manifest.class_names),
        chosen_by=_cell(manifest.sampler_name),
        pool=_cell(pool),
        rows=rows,
        load=load,
        soft_labels=_cell(soft_labels),
        manifest=FILE_NAME,
    )


def pool_name(manifest: Manifest) -> str:
    """What others may know a pool by: its name on the hub, else that of its folder or file."""
    path = str(manifest.pool.get("init_args", {}).get("path", ""))
    on_hub = hub_name(path[path.find("hf:") :]) if "hf:" in path else None
    return shown(on_hub or Path(manifest.pool_root).name or "a pool")[:_TITLE]


def check_repository(name: str) -> None:
    """Refuse, before anything is written, a text that cannot be the name of a data set on the hub."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    try:
        validate_repo_id(name)
        if name.count("/") != 1:
            msg = "no user before the name" if "/" not in name else "more than one slash"
            raise HFValidationError(msg)
    except HFValidationError as error:
        msg = f"Expected --push USER/NAME, found {name!r} ({error}); correct it."
        raise RunError(msg) from error


def push(folder: Path, name: str) -> str:
    """Upload what `write_shared` wrote as a new, private data set ``user/name``; where it is now."""
    import huggingface_hub

    try:
        hub = huggingface_hub.HfApi()
        place = hub.create_repo(repo_id=name, repo_type=KIND, private=True)
        hub.upload_folder(repo_id=name, folder_path=folder, repo_type=KIND, commit_message="A selection")
    except Exception as error:  # the hub's client lets errors of its own and of its transport through
        said = " ".join(str(error).split("\n\n")[0].split()) or type(error).__name__
        again = command("hf", "upload", name, folder, "--repo-type", KIND)
        msg = (
            f"Expected to upload {folder}, which is whole, to {name}, new on the Hugging Face hub, found: "
            f"{said}; log in where it needs that (hf auth login). Into a data set that is there: {again}"
        )
        raise RunError(msg) from error
    return str(place)


def _facts(chosen: ChosenImages) -> dict[str, str]:
    manifest = chosen.manifest
    priors = manifest.prior if isinstance(manifest.prior, tuple) else (manifest.prior,)
    made = manifest.choices
    by_hand = made and f"{len(made.struck)} struck out, {len(made.pinned)} pinned"
    facts = {
        "source pool": pool_name(manifest),
        "SHA-256 of the pool": manifest.pool_fingerprint,
        "prior": "; ".join(_in_words(prior) for prior in priors),
        "sampler": f"{manifest.sampler_name} ({_in_words(manifest.sampler)})",
        "images per class": str(manifest.ipc),
        "selection seed": str(manifest.selection_seed),
        "images decided by hand": by_hand or "",
        "reference images": "" if manifest.reference is None else _in_words(manifest.reference),
        "classifier": "" if manifest.classifier is None else _in_words(manifest.classifier),
        f"SHA-256 of {FILE_NAME}": hashlib.sha256(chosen.file.read_bytes()).hexdigest(),
    }
    return {what: said for what, said in facts.items() if said}


def _in_words(component: Mapping[str, Any]) -> str:
    """A component with what it was given, of paths only the last part."""
    given = {
        name: _short(value) for name, value in component.get("init_args", {}).items() if value is not None
    }
    kind = str(component.get("class_path", "")).rpartition(".")[2]
    return ", ".join([kind, *(f"{name} {value}" for name, value in given.items())])


def _short(value: object) -> str:
    if isinstance(value, str):
        return Path(value).name if Path(value).is_absolute() else value
    return json.dumps(value)


def _cell(text: str) -> str:
    """A text from outside as it can stand in a table of Markdown: no markup, no column of its own."""
    plain = html.escape(shown(text), quote=False)
    return "".join(f"\\{letter}" if letter in "\\`*_[]|#~$" else letter for letter in plain)
