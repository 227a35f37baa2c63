"""What ``semdd fit --help`` and its like say of a config."""

from __future__ import annotations

from semdd_lightning.cli.configs import packaged_configs

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
