"""Names from outside, made harmless for where they go: a terminal, a log, a shell, a spreadsheet, a paper."""

from __future__ import annotations

import logging
import os
import re
import shlex
import warnings
from pathlib import PurePath
from unicodedata import category

# Control characters, invisible ones that turn text around, bytes that are no UTF-8, and line separators.
_HARMFUL = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_MARKDOWN = frozenset("\\`*_[]<>|~&$")
_LATEX = {
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
    **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
    **{"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}"},
    **{"±": r"$\pm$", "[": "{[}", "]": "{]}"},  # a bracket after \\ would be its argument
}
_MINUS = re.compile(r"(?<![\w-])-(?=\d)")
_ESCAPES = {"\\": "\\", "n": "\n", "r": "\r", "t": "\t"}
_ESCAPED = re.compile(r"\\([\\nrt]|x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8})")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def shown(name: object, keep: str = "") -> str:
    r"""A name as it can stand on a terminal: what would act there instead of being seen is escaped.

    >>> print(shown("a\x1b[31m\n"), shown("café"), shown("a\udcff"))
    a\x1b[31m\n café a\udcff

    Args:
        name: Any text or path.
        keep: Characters that are left as they are.
    """
    text = str(name)
    if text.isprintable():
        return text
    return "".join(
        letter if letter in keep or category(letter) not in _HARMFUL else ascii(letter)[1:-1]
        for letter in text
    )


def shown_message(message: object) -> str:
    """A message with names in it, as `shown`, its line ends and tabs kept."""
    return shown(message, keep="\n\t")


def get_logger(name: str) -> logging.Logger:
    """A logger whose lines are harmless whoever shows them, a user's own handler included."""
    logger = logging.getLogger(name)
    logger.addFilter(_harmless)  # of the same filter there is never a second
    return logger


def warn(message: str, stacklevel: int = 1) -> None:
    """Warn, as `warnings.warn` does, with names in the message, whoever shows it."""
    warnings.warn(shown_message(message), stacklevel=stacklevel + 1)


def _harmless(record: logging.LogRecord) -> bool:
    record.msg, record.args = shown_message(record.getMessage()), ()
    return True


def command(*words: object) -> str:
    r"""Words as a shell takes them, to be copied from the terminal.

    >>> print(command("semdd", "select", PurePath("-my pool"), "a\x1b"))
    semdd select './-my pool' $'a\x1b'

    Args:
        words: The words; a path that begins with a hyphen is written so that it is no option.
    """
    return " ".join(map(_shell_word, words))


def cell(text: str) -> str:
    """The text of a CSV cell that no spreadsheet takes for a formula: one that begins like one is quoted.

    >>> cell("=1+1"), cell("cat/=.png")
    ("'=1+1", 'cat/=.png')
    """
    return f"'{text}" if text.startswith(_FORMULA) else text


def markdown(text: object) -> str:
    r"""A text in a line or a table cell of Markdown, where nothing in it formats or ends the cell.

    >>> print(markdown("a|b_c <script>"))
    a\|b\_c \<script\>
    """
    return "".join(f"\\{letter}" if letter in _MARKDOWN else letter for letter in shown(text))


def latex(text: object) -> str:
    r"""A text in LaTeX that is no command there.

    >>> print(latex("two_stage & 50 %"), latex("-1.5 ± 0.2"))
    two\_stage \& 50 \% $-$1.5 $\pm$ 0.2
    """
    escaped = "".join(_LATEX.get(letter, letter) for letter in shown(text))
    return _MINUS.sub("$-$", escaped).replace("--", "-{}-")  # two hyphens would be one dash


def path_cell(path: str) -> str:
    r"""A path as the text of a CSV cell: harmless as `shown` and `cell` are, and read back by `cell_path`.

    >>> print(path_cell("a\x1b.png"), path_cell(r"a\x1b.png"), path_cell("=1+1/a.png"))
    a\x1b.png a\\x1b.png '=1+1/a.png
    """
    text = shown(path.replace("\\", "\\\\"))
    return f"'{text}" if text.startswith((*_FORMULA, "'")) else text


def cell_path(text: str) -> str:
    r"""The path that `path_cell` wrote; a text that it cannot have written stays what it is.

    >>> print(cell_path(r"''a\\x\x41"), cell_path("'a"), cell_path(r"C:\dir"))
    'a\xA 'a C:\dir
    """
    quoted = text.startswith("'") and text[1:].startswith((*_FORMULA, "'"))
    return _ESCAPED.sub(_unescaped, text[1:] if quoted else text)


def _unescaped(found: re.Match[str]) -> str:
    letter = found[1]
    return _ESCAPES[letter] if letter in _ESCAPES else chr(int(letter[1:], 16))


def _shell_word(word: object) -> str:
    text = str(word)
    if isinstance(word, PurePath) and text.startswith("-"):
        text = f"./{text}"
    if shown(text) == text:
        return shlex.quote(text)
    return f"$'{''.join(map(_shell_letter, text))}'"


def _shell_letter(letter: str) -> str:
    if letter in "\\'":
        return f"\\{letter}"
    if category(letter) not in _HARMFUL:
        return letter
    return "".join(f"\\x{byte:02x}" for byte in os.fsencode(letter))
