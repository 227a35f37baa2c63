"""``semdd audit``: do the folders of a pool hold the classes they are named for?"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from semdd_lightning.atomic import check_output_file, writing
from semdd_lightning.cli.options import add_pool_options, command_parser, pool_argv, pool_of
from semdd_lightning.errors import ConfigError
from semdd_lightning.experiment.run.directory import PAGE
from semdd_lightning.given import cache_root
from semdd_lightning.names import command
from semdd_lightning.pools import AnyPool, ResolvedImages

if TYPE_CHECKING:  # torch, which the help can be printed without
    import torch

    from semdd_lightning.audit import TeacherLogits
    from semdd_lightning.classes import ClassRegistry
    from semdd_lightning.prior import Prior

REFUSED = 3
EPILOG = """examples:
  semdd audit my_pool --dataset imagenette --prior ViT-B-32-quickgelu:openai
  semdd audit my_pool --dataset classes.csv --prior my_clip/ --reference data/train --json audit.json
  semdd audit my_pool --dataset cifar10 --prior my_clip/ --test data/test    test images that leaked in

Two faults are looked for. Another order: the folders are a permutation of the classes; exit status 3, and
the mapping to paste. Folders that do not hold their class: ranked, with the class that they resemble and the
share of their images that are of it; a warning, and exit status 3 where more than --most-suspects of the
folders are. Real images (--reference) tell a weak CLIP's habits from the pool's faults: 50 per class do well.
A page shows what was found, images beside images: --page says where it goes.
`semdd fit` and `semdd select` look at up to 100 images per folder in the same way before they choose.
"""


def run(command: str, argv: list[str]) -> int:
    """Audit one pool; exit status 0 if it can be trained on, 3 if it is refused."""
    options = _parser().parse_args(argv)
    for file in (options.json, options.page):
        if file is not None:
            check_output_file(file)
    if not 0 <= options.most_suspects <= 1:
        msg = f"Expected --most-suspects from 0 to 1, found {options.most_suspects}; 0.2 is the default."
        raise ConfigError(msg)
    found = pool_of(options.pool, options.dataset, options).resolve()
    if options.reference is not None:
        AnyPool(options.reference).check()
    if options.test is not None:
        _test_pool(options.test).check()
    return _audit(found, options, [command, *argv])


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(
        "audit", "Find out whether the folders of a pool hold the classes they are named for.", EPILOG
    )
    parser.add_argument("pool", type=Path, help="the pool, of any layout that `semdd pool inspect` knows")
    parser.add_argument(
        "--dataset",
        "--classes",
        type=Path,
        metavar="NAME|FILE",
        help="data set, or class list (.txt, .csv), in order",
    )
    parser.add_argument(
        "--prior",
        required=True,
        action="append",
        help="CLIP: a local model directory, MODEL:TAG of open_clip, MODEL:FILE:gelu|quickgelu, or digits; "
        "several times for several models",
    )
    parser.add_argument("--reference", type=Path, metavar="REAL", help="real images of the same classes")
    parser.add_argument("--teacher", type=Path, metavar="RUN", help="a teacher of `semdd fit` that votes too")
    parser.add_argument(
        "--test", type=Path, metavar="IMAGES", help="test images that must not be in the pool"
    )
    parser.add_argument(
        "--most-suspects",
        type=float,
        default=0.2,
        metavar="SHARE",
        help="refuse where more than this share of the folders, and at least two, are suspect (default 0.2)",
    )
    add_pool_options(parser)
    parser.add_argument(
        "--page",
        type=Path,
        metavar="HTML",
        help="where the page goes that shows what was found (default: a file in the cache, which is named)",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything that was found as data")
    parser.add_argument("--device", help="where CLIP runs, as cuda:0 (default: a GPU if there is one)")
    return parser


def _audit(found: ResolvedImages, options: argparse.Namespace, argv: list[str]) -> int:
    from semdd_lightning.atomic import write_json
    from semdd_lightning.audit import audit_classes, audit_record, describe_refusal, stray_classes
    from semdd_lightning.audit.table import print_audit, verdict_words
    from semdd_lightning.data.embedded_pools import PoolEmbedder, read_reference
    from semdd_lightning.given import pick_device
    from semdd_lightning.pools.near_duplicates import leaked_images, near_duplicates
    from semdd_lightning.prior import listed_priors
    from semdd_lightning.report.page.audit_page import write_audit_page

    priors, device = listed_priors(options.prior), pick_device(options.device)
    registry = found.registry
    teacher = None if options.teacher is None else _teacher(options.teacher, registry, priors, device)
    images = found.read()
    reference = options.reference
    real_pool = None if reference is None else read_reference(AnyPool(reference), images.registry)
    embed = PoolEmbedder(priors, real_pool, device)
    embeddings = embed(images)
    real = None if real_pool is None else (real_pool, embed(real_pool))
    audit = audit_classes(images, embeddings, real, teacher=teacher, most_suspects=options.most_suspects)
    test = None if options.test is None else _test_pool(options.test).read()
    duplicates, leaked = near_duplicates(images), None if test is None else leaked_images(images, test)
    record = audit_record(images, audit, duplicates, leaked)
    record["pool"] = str(options.pool)  # with the folder inside a tar, which the root does not name
    if options.json is not None:
        dataset = None if options.dataset is None else str(options.dataset)
        write_json(options.json, {**record, "prior": ", ".join(options.prior), "dataset": dataset})
    problem, page = describe_refusal(images.registry, audit), options.page or _cached_page(images.fingerprint)
    write_audit_page(
        page,
        record,
        images,
        stray_classes(images, audit),
        duplicates,
        said=verdict_words(record["verdict"]),
        problem=problem,
        made_by=command("semdd", *argv),
        test=test,
        leaked=leaked,
    )
    ipc = max(1, min(10, int(images.counts().min()) // 2))
    next_commands = [command("semdd", "open", page), *_next(options, ipc, refused=audit.refused)]
    print_audit(record, problem, page, next_commands)
    return REFUSED if audit.refused else 0


def _cached_page(fingerprint: str) -> Path:
    """Of a pool where no page was asked for: one file, which the next audit of the pool replaces."""
    folder = cache_root() / "audits" / fingerprint[:16]
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return folder / PAGE


def _test_pool(path: Path) -> AnyPool:
    """The test images at a path: of a data set's official form its test split, not the training split."""
    pool = AnyPool(path)
    return AnyPool(path, split=pool.evaluation_split())


def _teacher(
    run: Path, classes: ClassRegistry, priors: tuple[Prior, ...], device: torch.device
) -> TeacherLogits:
    """The logits of a trained teacher, which looks at images of the size that it was trained on."""
    from semdd_lightning.data.classifier import ClassifierContext, FrozenClassifier
    from semdd_lightning.prior import first_clip
    from semdd_lightning.training import CheckpointTeacher
    from semdd_lightning.training.teachers.checked import pool_logits

    teacher = CheckpointTeacher(run)
    image_size = teacher.card()["image_size"]
    network = teacher.build(ClassifierContext(classes, image_size, first_clip(priors)))
    return pool_logits(FrozenClassifier(network, device), image_size)


def _next(options: argparse.Namespace, ipc: int, *, refused: bool) -> list[str]:
    pool = [options.pool, *pool_argv(options)]
    if options.dataset is not None:
        pool += ["--classes", options.dataset]
    prior = [word for one in options.prior for word in ("--prior", one)]
    if refused:
        return [command("semdd", "pool", "inspect", *pool)]
    return [command("semdd", "select", *pool, "--ipc", ipc, *prior, "--out", "chosen")]
