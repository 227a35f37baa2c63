from __future__ import annotations

import pytest

from semdd_lightning.report import print_label_table


def test_rows_costs_and_commands_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    print_label_table("labels", {"images": "12"}, [("fp16", 2048)], ["semdd fit"])
    text = " ".join(capsys.readouterr().out.split())
    assert "images │ 12" in text
    assert "fp16 │ 2,048 │ 2.00 KiB" in text
    assert text.endswith("Next: semdd fit")
