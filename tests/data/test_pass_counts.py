from __future__ import annotations

import pytest

from semdd_lightning.data.pass_counts import epochs_of
from semdd_lightning.errors import ConfigError


def test_epochs_are_whole() -> None:
    assert [epochs_of(300, per_epoch) for per_epoch in (1, 10, 300)] == [300, 30, 1]
    with pytest.raises(ConfigError, match="divide passes"):
        epochs_of(3, 4)
