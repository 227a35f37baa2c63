"""The words before and around a command: help, version, what is refused, and how."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
import warnings
from collections.abc import Callable

import pytest

from semdd_lightning import __version__
from semdd_lightning.cli.main import COMMANDS, main
from semdd_lightning.errors import PoolError
from semdd_lightning.experiment.config.configs import packaged_configs
from semdd_lightning.selection import SAMPLERS, SCORES


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    for words in ([], ["--help"], ["-h"], ["help"]):
        assert main(words) == 0
        text = capsys.readouterr().out
        assert all(f"\n  {command} " in text for command in COMMANDS)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"semdd-lightning {__version__}\n"


def test_help_and_version_do_not_wait_for_torch() -> None:
    code = (
        "import sys; from semdd_lightning.cli.main import main\n"
        "status = main(['--help']) + main(['--version']) + main([])\n"
        "sys.exit(status or 'torch' in sys.modules or 'lightning' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "usage: semdd COMMAND" in done.stdout


def test_help_of_light_commands_does_not_wait_for_torch() -> None:
    code = (
        "import sys; from semdd_lightning.cli.main import main\n"
        "for command in ('pool', 'audit', 'relabel', 'apply', 'export', 'verify'):\n"
        "    try: main([command, '--help'])\n"
        "    except SystemExit as stop: assert stop.code == 0\n"
        "sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "usage: semdd verify" in done.stdout


@pytest.mark.parametrize("command", ["select", "compare", "fit"])
def test_help_lists_samplers_and_scores(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main([command, "--help"])
    text = capsys.readouterr().out
    for name, kind in (SAMPLERS | SCORES).items():
        assert re.search(rf"^  {name} +{re.escape(kind.meaning)}( \(default\))?$", text, re.MULTILINE)


def test_unknown_command_lists_the_known(refused: Callable[..., str]) -> None:
    message = refused("train")
    assert "found 'train'" in message
    assert all(command in message for command in COMMANDS)


def test_help_of_fit_documents_options_and_environment(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["fit", "--help"])
    text = capsys.readouterr().out
    assert "usage: semdd" in text
    assert "Exactly this directory, new or left unfinished" in " ".join(text.split())
    assert "SEMDD_FIT__RUN__ROOT" in text
    described = text[text.index("A config is one experiment") : text.index("\noptions:")]
    known = {
        path.stem for folder in (".", "protocols") for path in (packaged_configs() / folder).glob("*.yaml")
    }
    assert known <= set(re.findall(r"\w+", described))


def test_an_error_behind_other_errors_is_still_one_message(
    monkeypatch: pytest.MonkeyPatch, refused: Callable[..., str]
) -> None:
    def fail(_: str, __: list[str]) -> int:
        try:
            try:
                msg = "Expected a pool, found none; give one."
                raise PoolError(msg)
            except PoolError as error:
                raise ValueError("wrapped") from error
        except ValueError as error:
            raise ValueError("wrapped twice") from error

    monkeypatch.setattr("semdd_lightning.cli.verify.run", fail)
    assert refused("verify", "x") == "semdd verify: Expected a pool, found none; give one.\n"


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (MemoryError("Unable to allocate 9.1 GiB"), "enough memory, found Unable to allocate 9.1 GiB; give"),
        (
            RuntimeError("CUDA out of memory. Tried\nsummary"),
            "found CUDA out of memory. Tried; ",
        ),
        (ValueError("embedded null byte"), "found one with a NUL"),
        (OSError(28, "No space left on device", "x"), "to use x, found No space left on device"),
    ],
)
def test_what_the_system_refuses_is_one_message(
    error: Exception, message: str, monkeypatch: pytest.MonkeyPatch, refused: Callable[..., str]
) -> None:
    def fail(_: str, __: list[str]) -> int:
        raise error

    monkeypatch.setattr("semdd_lightning.cli.verify.run", fail)
    assert message in refused("verify", "x")


def test_a_bug_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: str, __: list[str]) -> int:
        try:
            raise PoolError("first")
        except PoolError:
            raise KeyError("a bug while handling it")  # noqa: B904 - the very case

    monkeypatch.setattr("semdd_lightning.cli.verify.run", fail)
    with pytest.raises(KeyError, match="a bug"):
        main(["verify", "x"])


def test_interrupt(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt(_: str, __: list[str]) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("semdd_lightning.cli.verify.run", interrupt)
    assert main(["verify", "x"]) == 130
    assert "Interrupted" in capsys.readouterr().err


def test_messages_go_to_the_standard_error_of_the_moment(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def speak(_: str, __: list[str]) -> int:
        logging.getLogger("semdd_lightning.test").info("hello")
        return 0

    monkeypatch.setattr("semdd_lightning.cli.verify.run", speak)
    for _ in range(2):
        assert main(["verify", "x"]) == 0
        assert capsys.readouterr().err == "hello\n"


def test_a_command_leaves_no_trace_in_its_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("semdd_lightning.cli.verify.run", lambda *_: 0)
    ours = logging.getLogger("semdd_lightning")

    def state() -> tuple[object, ...]:
        logged = (list(ours.handlers), ours.level, ours.propagate)
        return (*logged, list(warnings.filters), warnings.showwarning, list(sys.path), dict(os.environ))

    before = state()
    assert main(["verify", "x"]) == 0
    assert state() == before
