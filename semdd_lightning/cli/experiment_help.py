"""What `semdd fit --help` and its like say of a config."""

from __future__ import annotations

from semdd_lightning.cli.configs import packaged_configs


def _packaged(folder: str) -> str:
    return ", ".join(sorted(path.stem for path in (packaged_configs() / folder).glob("*.yaml")))


ONE_CONFIG = f"""
A config is one experiment: data (pool, CLIP, sampler, splits), model (student, teacher), trainer. Packaged
ones are found by name: {_packaged(".")} (.yaml). A second --config goes
over the first, and options over both: --data.ipc 50 --data.batch_size 100 --trainer.devices 4. A protocol as
the second evaluates as a peer's code does: --config imagewoof.yaml --config protocols/minimax.yaml; there are
{_packaged("protocols")}. What a part takes: --data.help PoolDataModule,
--model.help DistillationModule. The config that results, every default spelled out: --print_config."""
DESCRIPTIONS = {
    "fit": "Choose images of a pool, train a student on them, test it after the last pass." + ONE_CONFIG,
    "validate": "Evaluate the student of --ckpt_path on the validation split." + ONE_CONFIG,
    "test": "Evaluate the student of --ckpt_path on the test split." + ONE_CONFIG,
    "predict": "Write class probabilities of the student of --ckpt_path for every image." + ONE_CONFIG,
}
