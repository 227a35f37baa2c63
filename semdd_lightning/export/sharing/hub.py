"""A shared selection on the Hugging Face hub: private until its owner makes it public."""

from __future__ import annotations

from pathlib import Path

from semdd_lightning.errors import RunError
from semdd_lightning.names import command

KIND = "dataset"


def check_repository(name: str) -> None:
    """See, before anything is written, that a text can be the name of a data set on the hub.

    Raises:
        RunError: if not.
    """
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
    """Upload a folder as a new, private data set.

    Args:
        folder: what `write_shared` wrote.
        name: ``user/name``.

    Returns:
        Where it is now.

    Raises:
        RunError: if there is such a data set already, or the hub cannot be reached or refuses.
    """
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
