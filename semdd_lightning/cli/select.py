"""``semdd select``: choose images from a pool; no student, no YAML needed."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from semdd_lightning.cli.configs import find_config
from semdd_lightning.cli.run_directory import create_run_directory
from semdd_lightning.errors import ConfigError
from semdd_lightning.pools import ClassFolders

DEFAULT_SAMPLER = "two_stage"
EPILOG = """examples:
  semdd select my_pool --ipc 10 --prior ViT-B-32-quickgelu:openai --out chosen
  semdd select my_pool --ipc 50 --prior my_clip/ --classes classes.txt --sampler k_center
  semdd select --config quickstart.yaml --ipc 5     the pool and prior of an experiment's config

The pool holds one folder a class. --out receives the chosen images in class folders, a manifest from which
`semdd verify` makes the selection again, and scores.parquet: every pool image with scores, stage and reason.
"""


def run(command: str, words: list[str]) -> int:
    """Parse, check the pool before torch is imported, select, write, print."""
    options = _parser().parse_args(words)
    settings = _settings(options)
    if isinstance(settings["pool"], ClassFolders):
        settings["pool"].check()
    _select(settings, options)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="semdd select",
        description="Choose images per class from a pool, scored by a CLIP model.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("pool", nargs="?", type=Path, help="folder that holds one folder of images a class")
    parser.add_argument("--ipc", type=int, help="images per class to choose")
    parser.add_argument(
        "--prior",
        help="CLIP: a local model directory, MODEL:TAG of open_clip, MODEL:FILE:gelu|quickgelu, or digits",
    )
    parser.add_argument(
        "--sampler",
        help="two_stage (default), random, relevance, separability, quality, k_center, herding, "
        "facility_location",
    )
    parser.add_argument(
        "--classes", type=Path, help="class list in order, .txt or .csv; wins over folder names"
    )
    parser.add_argument("--seed", type=int, help="selection seed of samplers that draw (default 0)")
    parser.add_argument(
        "--config", help="take what is not given here from the data part of an experiment's config"
    )
    parser.add_argument(
        "--out", type=Path, help="new directory for the result (default selections/POOL/TIME)"
    )
    parser.add_argument("--link", action="store_true", help="hard-link the images instead of copying them")
    parser.add_argument("--device", help="where CLIP runs, as cuda:0 (default: a GPU if there is one)")
    return parser


def _settings(options: argparse.Namespace) -> dict[str, Any]:
    """Pool, prior, ipc, sampler, seed and cache folder, from options first and the config behind them."""
    data = _config_data(options.config) if options.config else {}
    pool = ClassFolders(options.pool, options.classes) if options.pool is not None else data.get("pool")
    if pool is None:
        msg = "Expected a pool, found none; give its folder or --config. See `semdd select --help`."
        raise ConfigError(msg)
    if options.pool is None and options.classes is not None:
        msg = "Expected --classes together with a pool folder, found --config's pool; put it into the config."
        raise ConfigError(msg)
    ipc = options.ipc if options.ipc is not None else data.get("ipc")
    if ipc is None or ipc < 1:
        msg = f"Expected --ipc of at least 1, found {ipc}; say how many images per class to choose."
        raise ConfigError(msg)
    prior = options.prior if options.prior is not None else data.get("prior")
    if prior is None:
        msg = (
            "Expected --prior, found none; give a local CLIP directory, or MODEL:TAG as "
            "ViT-B-32-quickgelu:openai."
        )
        raise ConfigError(msg)
    sampler = options.sampler if options.sampler is not None else data.get("sampler", DEFAULT_SAMPLER)
    seed = options.seed if options.seed is not None else data.get("selection_seed", 0)
    cache_dir = data.get("cache_dir")
    return {
        "pool": pool,
        "prior": prior,
        "ipc": ipc,
        "sampler": sampler,
        "seed": seed,
        "cache_dir": cache_dir,
    }


def _config_data(name: str) -> dict[str, Any]:
    import yaml

    path = find_config(name)
    try:
        content = yaml.safe_load(path.read_text())
        data = content["data"]["init_args"]
    except (yaml.YAMLError, KeyError, TypeError) as error:
        msg = f"Expected data.init_args with a pool in {path}, found {error!r}; give an experiment's config."
        raise ConfigError(msg) from error
    if not isinstance(data, dict):
        msg = f"Expected data.init_args as a mapping in {path}, found {data!r}; give an experiment's config."
        raise ConfigError(msg)
    return data


def _select(settings: dict[str, Any], options: argparse.Namespace) -> None:
    from semdd_lightning.cli.run_record import statistics_record
    from semdd_lightning.data import select
    from semdd_lightning.export import build_component
    from semdd_lightning.pools import PoolReader
    from semdd_lightning.prior import OpenClipPrior, parse_prior
    from semdd_lightning.report import print_selection_table, write_contact_sheet
    from semdd_lightning.selection import Sampler, build_sampler

    pool, prior, sampler = settings["pool"], settings["prior"], settings["sampler"]
    pool = build_component(pool, PoolReader) if isinstance(pool, dict) else pool
    prior = parse_prior(prior) if isinstance(prior, str) else build_component(prior, OpenClipPrior)
    sampler = build_component(sampler, Sampler) if isinstance(sampler, dict) else build_sampler(sampler)
    pool.prepare()
    chosen = select(
        pool,
        prior,
        settings["ipc"],
        sampler,
        settings["seed"],
        device=options.device,
        cache_dir=None if settings["cache_dir"] is None else Path(settings["cache_dir"]),
    )
    out = _export(chosen, options)
    write_contact_sheet(out / "subset.png", chosen.table, chosen.pool.root)
    rows = {
        "pool": f"{chosen.pool.root}: {len(chosen.pool)} usable images, {len(chosen.pool.excluded)} excluded",
        "sampler": sampler.name,
        "images per class": str(settings["ipc"]),
        "encoded by CLIP": f"{chosen.embeddings.encoded} images now, the others came from the cache",
        "seconds": ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in chosen.seconds.items()),
        "written to": str(out),
    }
    next_commands = [f"semdd verify {out}", f"look at {out / 'subset.png'}"]
    print_selection_table("semdd select", rows, statistics_record(chosen.report()), next_commands)


def _export(chosen: Any, options: argparse.Namespace) -> Path:  # noqa: ANN401 - keeps torch out of this module
    if options.out is not None:
        out: Path = chosen.export(options.out, link=options.link)
        return out
    name = Path(chosen.pool.root).name
    out = create_run_directory(Path("selections"), name)
    out.rmdir()  # its name was what was wanted; export makes it anew, as a whole or not at all
    chosen.export(out, link=options.link)
    return out
