"""From a pool on disk to the chosen images: index, embed, select. Needs no Lightning."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from semdd_lightning.audit import AUTOMATIC, AuditPolicy, apply_policy, audit_classes, check_policy
from semdd_lightning.data.classifier import Classifier, ClassifierContext, PoolClassifier, usual_side
from semdd_lightning.data.embedded_pools import (
    PoolEmbedder,
    read_reference,
    reference_embeddings,
    resolve_reference,
)
from semdd_lightning.data.learning import learn_pool
from semdd_lightning.data.selection_plan import SelectionPlan, find_choices
from semdd_lightning.export import Choices, Manifest, read_choices
from semdd_lightning.export.pool_selection import (
    PoolSelection,
    embeddings_digest,
    outcome,
    sampler_embeddings,
)
from semdd_lightning.given import given_path, pick_device
from semdd_lightning.names import get_logger
from semdd_lightning.pools import ImageSet, Pool, ResolvedImages, as_image_set, require_images_per_class
from semdd_lightning.prior import AnyPrior, first_clip, listed_priors
from semdd_lightning.progress import Stopwatch, image_progress
from semdd_lightning.selection import (
    DEFAULT_SAMPLER,
    ClassifierOutputs,
    Sampler,
    Selection,
    build_sampler,
    whole_number,
)

logger = get_logger(__name__)
AnyImages = ImageSet | ResolvedImages | Path | str
"""How to read images, what was found of them, or where they lie."""


def select(
    pool: AnyImages,
    prior: AnyPrior | Sequence[AnyPrior],
    ipc: int,
    sampler: str | Sampler = DEFAULT_SAMPLER,
    seed: int = 0,
    *,
    reference: AnyImages | None = None,
    classifier: Classifier | None = None,
    device: torch.device | str | None = None,
    cache_dir: Path | None = None,
    audit: AuditPolicy = "refuse",
    choices: Choices | Path | str | None = None,
) -> PoolSelection:
    """Choose ``ipc`` images per class from a pool.

    Args:
        pool: how to read the pool, or where it lies.
        prior: the model that scores it, CLIP or one of timm, or its name as `semdd select --prior` takes it;
            or several, whose scores are averaged once they are comparable within a class; each embeds the
            pool for itself.
        ipc: images per class.
        sampler: a sampler or the short name of one with its defaults. The default one trains a small student
            on the pool first, once; `two_stage` does without.
        seed: selection seed, used by samplers that draw.
        reference: real images of the same classes, for samplers and scores that compare with these; the audit
            looks at them too.
        classifier: a network that tells the classes apart, as any teacher, for samplers and scores that ask
            one; the score table says what it sees.
        device: where images are encoded; the first GPU if there is one, else the CPU.
        cache_dir: where the pool's index and the embeddings are kept (default: ``SEMDD_CACHE`` or the
            user's cache folder).
        audit: what to do where the images do not show the classes of their folders: `refuse`, `warn`, or do
            not look (`off`).
        choices: images that are never chosen and images that are chosen first, or the ``choices.csv`` that
            the page of a selection wrote.

    Raises:
        ConfigError: if there is no such device.
        AuditError: if the folders do not hold their classes.
        TooFewImagesError: if a class has fewer than ``ipc`` usable images, or no reference image.
        ChoicesError: if the choices cannot be read, or do not fit the pool.
        ClassListError: if the reference images lack a class of the pool.
        SelectionError: if the sampler cannot work with these numbers.
        PriorError: if the CLIP model cannot be had as described.
        TeacherError: if the classifier cannot be had as described, or does not fit the classes.
    """
    check_policy(audit)
    plan = SelectionPlan(
        sampler=build_sampler(sampler),
        pool=_image_set(pool),
        priors=listed_priors(prior),
        reference=None if reference is None else _image_set(reference),
        classifier=classifier,
        cache_dir=None if cache_dir is None else given_path("cache_dir", cache_dir),
        ipc=whole_number("ipc", ipc, at_least=1),
        seed=whole_number("seed", seed, at_least=0),
        audit=audit,
        choices=choices if isinstance(choices, Choices | None) else read_choices(choices),
    )
    device = pick_device(device)
    plan.prepare()
    return carry_out(
        plan,
        device,
        pool=pool if isinstance(pool, ResolvedImages) else None,
        reference=reference if isinstance(reference, ResolvedImages) else None,
    )


def carry_out(
    plan: SelectionPlan,
    device: torch.device,
    *,
    pool: ResolvedImages | None = None,
    reference: ResolvedImages | None = None,
    rank: int = 0,
    world_size: int = 1,
) -> PoolSelection:
    """Choose from a pool that is there, alone or as one of several processes that embed it together.

    Args:
        plan: what to choose, from what and by what; it has been prepared.
        device: where images are encoded.
        pool: what was found of the plan's pool, where it has been looked for already.
        reference: the same of its reference images.
        rank: this process.
        world_size: number of processes.

    Raises:
        SemddError: as `select` does.
    """
    watch, cache_dir, sampler, show = Stopwatch(), plan.cache_dir, plan.sampler, rank == 0
    pool = pool or plan.pool.resolve()
    sampler.check(len(pool.registry), plan.ipc)
    if plan.reference is not None:
        reference = resolve_reference(reference or plan.reference, pool.registry)
    made_from = plan.described()
    with watch.measure("index"):
        images = pool.read(cache_dir)
        _require_enough(images, plan.ipc)
    by_hand, decided = (None, None) if plan.choices is None else find_choices(plan.choices, images, plan.ipc)
    classify = None
    if plan.classifier is not None:  # built before the pool is embedded: what cannot be built is said first
        context = ClassifierContext(images.registry, usual_side(images), first_clip(plan.priors))
        classify = PoolClassifier(plan.classifier, context, device, cache_dir, show=show)
    with watch.measure("embed"):
        real = None if reference is None else read_reference(reference, images.registry, cache_dir)
        embed = PoolEmbedder(plan.priors, real, device, cache_dir, rank, world_size)
        embeddings = embed(images)
        compared = None if real is None else (real, embed(real))
    outputs: ClassifierOutputs | None = None
    real_outputs: ClassifierOutputs | None = None
    classifier_key: str | None = None
    if classify is not None:
        with watch.measure("classify"):
            outputs, classifier_key = classify(images)
            real_outputs = None if real is None else classify(real).outputs
    found = None
    if plan.audit != "off":
        with watch.measure("audit"):
            found = audit_classes(images, embeddings, compared, at_most=AUTOMATIC)
            apply_policy(images, found, plan.audit)
    learned: Tensor | None = None
    learning_key: str | None = None
    if "learning" in plan.needs:  # the longest of all: whatever refuses the pool has looked at it before
        with watch.measure("learn"):
            learned, learning_key = learn_pool(images, device=device, cache_dir=cache_dir, show=show)
    with watch.measure("select"):
        references = None if compared is None else reference_embeddings(*compared, real_outputs)
        seen = sampler_embeddings(images, embeddings, references, outputs, learned)
        with image_progress("Choosing", len(images), after=2, keep=False, show=show) as advance:
            selection = sampler.select(seen, plan.ipc, plan.seed, by_hand=by_hand, progress=advance)
    _report(sampler, selection, embeddings.encoded, outputs)
    manifest = Manifest(
        **made_from,
        sampler_name=sampler.name,
        ipc=plan.ipc,
        selection_seed=plan.seed,
        reference_key=None if compared is None else compared[1].key,
        classifier_key=classifier_key,
        learning_key=learning_key,
        embeddings_digest=embeddings_digest(seen),
        choices=decided,
        **outcome(images, embeddings, selection),
    )
    return PoolSelection(images, embeddings, selection, manifest, watch.seconds, found)


def _image_set(images: AnyImages) -> ImageSet:
    return images.image_set if isinstance(images, ResolvedImages) else as_image_set(images)


def _require_enough(images: Pool, ipc: int) -> None:
    """See that each class has enough images; which files cannot be chosen is said."""
    if images.excluded:
        first = images.excluded[0]
        logger.warning(
            "%d image files cannot be chosen, the first of them %s (%s); scores.parquet lists them all",
            len(images.excluded),
            first.path,
            first.reason,
        )
    require_images_per_class(images, ipc)


def _report(sampler: Sampler, selection: Selection, encoded: int, outputs: ClassifierOutputs | None) -> None:
    """Say what was done, and whether the CLIP model and the classifier know these classes at all."""
    scores, classes = selection.scores, selection.num_classes
    logger.info(
        "%s chose %d of %d images (%d encoded now, any others came from the cache)",
        sampler.name,
        len(selection),
        len(scores),
        encoded,
    )
    words = "the class names are words that it knows and belong to the folders"
    answers = [("CLIP", scores["predicted"].to_numpy(), words)]
    if outputs is not None:
        order = "it counts the classes in the pool's order"
        answers.append(("The classifier", outputs.predicted.numpy(), order))
    for who, predicted, advice in answers:
        right = float((predicted == scores["label"].to_numpy()).mean())
        if classes > 1 and right < min(2 / classes, (1 + 1 / classes) / 2):
            logger.warning(
                "%s puts only %.1f %% of the pool into their classes (chance: %.1f %%); its scores say "
                "little. Check that %s",
                who,
                100 * right,
                100 / classes,
                advice,
            )
