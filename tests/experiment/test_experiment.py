from __future__ import annotations

import logging

import pytest
from lightning.fabric.utilities.exceptions import MisconfigurationException

from semdd_lightning.errors import ConfigError
from semdd_lightning.experiment.experiment import quiet_lightning


def test_tips_are_not_shown() -> None:
    logging.getLogger("lightning.pytorch").setLevel(logging.INFO)
    with quiet_lightning():
        assert not logging.getLogger("lightning.pytorch").isEnabledFor(logging.INFO)
        assert logging.getLogger("lightning.pytorch").isEnabledFor(logging.WARNING)


def test_what_lightning_refuses_is_our_error() -> None:
    with (
        pytest.raises(ConfigError, match="a config that Lightning can run here, found: no such device"),
        quiet_lightning(),
    ):
        raise MisconfigurationException("no such device")
    with pytest.raises(ValueError, match="its own"), quiet_lightning():
        raise ValueError("its own")
