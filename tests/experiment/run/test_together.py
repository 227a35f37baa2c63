"""Where Lightning started the other ranks, one that dies is named before this one ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from lightning.fabric.strategies.launchers.subprocess_script import _ChildProcessObserver

from semdd_lightning.experiment.run import together


@pytest.mark.skipif(os.name != "posix", reason="kill -9")
def test_a_rank_that_is_killed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[dict[str, object]] = []
    monkeypatch.setattr(together, "_end", lambda failure: told.append(json.loads(failure)))
    monkeypatch.setattr(together, "_LINGER_S", 0.0)
    sleeping = [sys.executable, "-c", "import time; time.sleep(60)"]
    first, second, instead_of_this = (subprocess.Popen(sleeping) for _ in range(3))
    observer = _ChildProcessObserver(instead_of_this.pid, [first, second], sleep_period=0.1)  # type: ignore[arg-type]
    observer.start()
    together.EndTogether()._replace_observer()
    second.kill()
    observer.join(10)
    assert told[0]["rank"] == 2
    assert "signal 9 ended it; see whether the system" in str(told[0]["error"])
    assert first.wait(10) == -9
    assert instead_of_this.poll() is None
    instead_of_this.kill()
    instead_of_this.wait()
