"""The samplers and scores that can be named, as a command's help lists them."""

from __future__ import annotations

import argparse


class ParserWithChoices(argparse.ArgumentParser):
    """A parser whose help ends with all samplers and scores, looked up, with torch, only for that."""

    def format_help(self) -> str:
        """The help, and the lists behind it."""
        return f"{super().format_help()}\n{choices()}"


def choices() -> str:
    """Samplers and scores of this package and of installed ones, each with its meaning."""
    from semdd_lightning.selection import DEFAULT_SAMPLER, sampler_meanings, score_meanings

    samplers, scores = sampler_meanings(), score_meanings()
    width = max(map(len, (*samplers, *scores)))
    samplers[DEFAULT_SAMPLER] += " (default)"
    lines = ["samplers:", *(f"  {name:<{width}}  {meaning}" for name, meaning in samplers.items()), ""]
    lines += ["scores, for the scores of a sampler that chooses by quality:"]
    lines += [f"  {name:<{width}}  {meaning}" for name, meaning in scores.items()]
    lines += ["", "The path of a class, as my_module.MySampler, does for a name: docs/extending.md."]
    return "\n".join(lines) + "\n"
