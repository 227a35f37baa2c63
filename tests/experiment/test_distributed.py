"""Two processes give what one gives: same images, same student, every test image once, one directory."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from torch import Tensor

from semdd_lightning.cli.main import main
from semdd_lightning.export import read_manifest
from tests.forking import Forks, free_port

# two shards of embeddings, and 30 chosen images in batches of 7: the last one holds 2, and 7 do not halve
DATA = (
    "--data.pool.init_args.images_per_class=110",
    "--data.ipc=3",
    "--data.batch_size=7",
    "--data.evaluation_batch_size=100",
    "--model.student.init_args.norm=none",  # a bias before a norm has no gradient but rounding's
)
TWO = ("--trainer.devices=2", "--trainer.strategy=ddp")
TORCHRUN = {  # the variables that it starts every process with, beside the rank
    **{"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "GROUP_RANK": "0", "MASTER_ADDR": "127.0.0.1"},
    **{"TORCHELASTIC_RUN_ID": "none", "TORCHELASTIC_RESTART_COUNT": "0", "TORCHELASTIC_MAX_RESTARTS": "0"},
}
WAYS: dict[str, list[dict[str, str]]] = {  # variables of each process that is started
    "lightning starts the second": [{}],
    "torchrun starts both": [{**TORCHRUN, "RANK": rank, "LOCAL_RANK": rank} for rank in "01"],
}


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the run of one process goes."""
    return tmp_path_factory.mktemp("alone") / "run"


@pytest.mark.parametrize("way", WAYS)
def test_two_processes_are_one(
    way: str,
    alone: Path,
    small: tuple[str, ...],
    run_directories: Callable[[], list[Path]],
    student_weights: Callable[[Path], dict[str, Tensor]],
    workplace: Path,
    tmp_path: Path,
    forks: Forks,
) -> None:
    if not alone.exists():
        assert main(["fit", *small, *DATA, f"--run.directory={alone}"]) == 0
    fresh = f"--data.cache_dir={workplace / 'cache'}"  # so that both have something to encode
    port = {"MASTER_PORT": free_port()} if len(WAYS[way]) > 1 else {}
    words = ["fit", *small, *DATA, *TWO, fresh]
    ended = forks.together([words], [{**port, **variables} for variables in WAYS[way]], workplace, tmp_path)
    assert [process.status for process in ended] == [0] * len(ended), ended

    (together,) = run_directories()
    assert sorted(path.name for path in workplace.iterdir()) == ["cache", "runs"]
    assert {path.name for path in together.iterdir()} == {path.name for path in alone.iterdir()}
    said = "".join(process.stdout for process in ended)
    assert said.count("run directory") == 1, "one rank prints the table"

    one, two = read_manifest(alone), read_manifest(together)
    assert two.paths == one.paths
    assert two.selection_digest == one.selection_digest
    assert two.embeddings_key == one.embeddings_key

    results = [json.loads((run / "result.json").read_text()) for run in (alone, together)]
    assert [result["encoded"] for result in results] == [1100, 1024], "rank 1 encodes the second shard"
    assert results[0]["evaluated"] == results[1]["evaluated"] == {"test": 896}
    for metric in ("test_top1", "test_top5"):
        assert results[0]["metrics"][metric] == pytest.approx(results[1]["metrics"][metric], abs=1 / 896)

    weights, other = student_weights(alone), student_weights(together)
    assert weights.keys() == other.keys()
    for key, value in weights.items():
        assert float((value - other[key]).abs().max()) < 1e-5, key


def test_two_nodes_make_one_directory(
    small: tuple[str, ...],
    run_directories: Callable[[], list[Path]],
    workplace: Path,
    shared_cache: Path,
    tmp_path: Path,
    forks: Forks,
) -> None:
    """Lightning's own launcher: the first process of each node is started by hand, with its NODE_RANK."""
    two = ["--trainer.num_nodes=2", "--trainer.devices=1", "--trainer.strategy=ddp"]
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port(), "SEMDD_CACHE": str(shared_cache)}
    nodes = [{**shared, "NODE_RANK": rank} for rank in "01"]
    ended = forks.together([["fit", *small, *two]], nodes, workplace, tmp_path)
    assert [process.status for process in ended] == [0, 0], ended
    (together,) = run_directories()
    assert [path.name for path in workplace.iterdir()] == ["runs"]
    assert (together / "result.json").is_file()
    assert (together / "last.ckpt").is_file()
    assert [process.stdout.count("run directory") for process in ended] == [1, 0]
