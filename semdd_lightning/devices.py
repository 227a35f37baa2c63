"""Where networks run."""

from __future__ import annotations

import torch

from semdd_lightning.errors import ConfigError


def pick_device(name: str | torch.device | None) -> torch.device:
    """The device of a name, seen to be there before anything is read; none takes a GPU if there is one.

    Args:
        name: as torch has it, for example `cuda:0`, or the device itself.

    Raises:
        ConfigError: if there is no such device.
    """
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).cpu()
    except (RuntimeError, AssertionError, TypeError) as error:  # unknown, not there, or of no content
        there = ["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
        if torch.backends.mps.is_available():
            there.append("mps")
        reason = str(error).partition("\n")[0]
        msg = f"Expected device to be one of {', '.join(there)}, found {name!r} ({reason}); choose another."
        raise ConfigError(msg) from error
    return device
