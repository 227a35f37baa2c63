"""Where CLIP runs."""

from __future__ import annotations

import torch

from semdd_lightning.errors import ConfigError


def pick_device(name: str | None) -> str:
    """The device of a name, seen to be there before anything is read; none takes a GPU if there is one.

    Args:
        name: as torch has it, for example `cuda:0`.

    Raises:
        ConfigError: if there is no such device.
    """
    if name is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=torch.device(name))
    except (RuntimeError, AssertionError, NotImplementedError) as error:  # unknown, not built in, not there
        there = ["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
        if torch.backends.mps.is_available():
            there.append("mps")
        reason = str(error).partition("\n")[0]
        msg = f"Expected --device to be one of {', '.join(there)}, found {name!r} ({reason}); choose another."
        raise ConfigError(msg) from error
    return name
