"""What ``--help`` says beside options: of configs, and of the samplers and scores that can be named."""

from __future__ import annotations

import argparse

from semdd_lightning.experiment.config.configs import packaged_configs

COMMANDS = {
    "fit": "Choose images of a pool, train a student on them, test it after the last pass.",
    "validate": "Evaluate the student of --ckpt_path on the validation split.",
    "test": "Evaluate the student of --ckpt_path on the test split.",
    "predict": "Write class probabilities of the student of --ckpt_path for every image.",
}
ONE_CONFIG = """
A config is one experiment: data (pool, CLIP, sampler, splits), model (student, teacher), trainer. Packaged
ones are found by name: {whole} (.yaml). A second --config goes
over the first, and options over both: --data.ipc 50 --data.batch_size 100 --trainer.devices 4. A config that
begins with `base: [NAME, ...]` goes over these. A protocol as the second evaluates as a reference
implementation does: --config imagewoof.yaml --config protocols/minimax.yaml; there are
{protocols}. What a part takes: --data.help PoolDataModule,
--model.help DistillationModule. The config that results, every default spelled out: --print_config."""


def descriptions() -> dict[str, str]:
    """The description of each command that runs one experiment."""
    text = ONE_CONFIG.format(whole=_packaged("."), protocols=_packaged("protocols"))
    return {command: what + text for command, what in COMMANDS.items()}


def _packaged(folder: str) -> str:
    return ", ".join(sorted(path.stem for path in (packaged_configs() / folder).glob("*.yaml")))


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
