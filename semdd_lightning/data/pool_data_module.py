"""Lightning data module that selects its training images from a pool in ``setup()``."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from semdd_lightning.audit import AuditPolicy, check_policy
from semdd_lightning.classes import ClassRegistry
from semdd_lightning.data.classifier import Classifier, ClassifierContext, build_apart, usual_side
from semdd_lightning.data.embedded_pools import resolve_reference
from semdd_lightning.data.image_data_module import ImageDataModule
from semdd_lightning.data.selecting import carry_out
from semdd_lightning.data.selection_plan import SelectionPlan
from semdd_lightning.errors import PoolError, RunError
from semdd_lightning.export import read_choices
from semdd_lightning.export.pool_selection import PoolSelection
from semdd_lightning.given import given_path
from semdd_lightning.pools import ImageSet, ResolvedImages, as_image_set
from semdd_lightning.pools.listing import LabelledImages
from semdd_lightning.prior import OpenClipPrior, TimmPrior, first_clip, listed_priors
from semdd_lightning.progress import Stopwatch
from semdd_lightning.selection import DEFAULT_SAMPLER, Sampler, build_sampler, whole_number


@dataclass(eq=False, repr=False, kw_only=True)
class PoolDataModule(ImageDataModule):
    """Wraps an image pool: scores it with CLIP, chooses ``ipc`` images per class, serves them for training.

    Under DDP the ranks embed disjoint parts of the pool, wait for each other, compute the same selection
    from the same cache and compare its digest.

    Args:
        pool: how to read the pool.
        prior: the model that scores the pool, CLIP or one of timm, or a list of several.
        ipc: images per class to choose.
        sampler: how to choose: a short name (`semdd select --help` lists them), the path of a class, or a
            sampler with arguments.
        selection_seed: seed of samplers that draw.
        reference: real images of the same classes, for samplers and scores that compare with these, and
            for the audit.
        classifier: a network that tells the classes apart, as any teacher, for samplers and scores that ask
            one.
        cache_dir: where the pool's index and the embeddings are kept (default: SEMDD_CACHE or the user's
            cache folder).
        audit: what to do before training where images do not show the classes of their folders: refuse,
            warn and go on, or off to not look.
        choices: the choices.csv that the page of a selection wrote: images that are never chosen, and images
            that are chosen first.
    """

    train: ImageSet | None = field(default=None, init=False)  # the chosen images in its place
    pool: ImageSet
    prior: OpenClipPrior | TimmPrior | list[OpenClipPrior | TimmPrior]
    ipc: int
    sampler: str | Sampler = DEFAULT_SAMPLER
    selection_seed: int = 0
    batch_size: int = 100
    passes: int = 300
    passes_per_epoch: int = 10
    reference: ImageSet | None = None
    classifier: Classifier | None = None
    cache_dir: Path | None = None
    audit: AuditPolicy = "refuse"
    choices: Path | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self.pool = as_image_set(self.pool)
        self.ipc = whole_number("ipc", self.ipc, at_least=1)
        self.sampler = build_sampler(self.sampler)
        self.selection_seed = whole_number("selection_seed", self.selection_seed, at_least=0)
        self.reference = None if self.reference is None else as_image_set(self.reference)
        self.cache_dir = None if self.cache_dir is None else given_path("cache_dir", self.cache_dir)
        check_policy(self.audit)
        self.choices = None if self.choices is None else given_path("choices", self.choices)
        self.priors = listed_priors(self.prior)
        self.clip = first_clip(self.priors)  # of several CLIP models the first: the one that a teacher may be
        self.selected: PoolSelection | None = None
        self._watch = Stopwatch()

    @property
    def selection_plan(self) -> SelectionPlan:
        """What is chosen, from what and by what."""
        return SelectionPlan(
            self.pool,
            self.priors,
            self.ipc,
            build_sampler(self.sampler),
            self.selection_seed,
            self.reference,
            self.classifier,
            self.cache_dir,
            self.audit,
            None if self.choices is None else read_choices(self.choices),
        )

    @property
    def training_digest(self) -> str | None:
        """The chosen images: fingerprint of the pool and digest of the selection."""
        if self.selected is None:
            return None
        return f"{self.selected.pool.fingerprint}:{self.selected.selection.digest}"

    def prepare_data(self) -> None:
        """Generate or fetch what is missing, check that pool, classes and splits fit, and index the pool.

        To evaluate an old student neither pool nor CLIP model need to be there any more.
        """
        trains = self._stage == "fit"
        if trains:
            plan = self.selection_plan
            plan.prepare()
            plan.sampler.check(len(self.registry), plan.ipc)
            self._resolve_reference()
        super().prepare_data()
        if trains:
            self._index()

    def _index(self) -> None:
        """Read every image once; the other processes of the node find what it told in the cache."""
        with self._watch.measure("index"):
            images = self._resolve(self.pool).read(self.cache_dir)
            reference = self._resolve_reference()
            if reference is not None:
                reference.read(self.cache_dir)
        if self.classifier is not None:  # fetched by one process of a node, for all of them
            context = ClassifierContext(self.registry, usual_side(images), self.clip)
            build_apart(self.classifier.build_whole, context)

    def _find_registry(self) -> ClassRegistry:
        try:
            return self._resolve(self.pool).registry
        except PoolError:
            if self._stage == "fit":
                raise
            return super()._find_registry()

    def _training_images(self) -> LabelledImages:
        """Select; every rank gets the same images."""
        registry = self.registry  # a wrong num_classes is found before anything is embedded
        rank, world_size = self.process
        self.selected = selected = carry_out(
            self.selection_plan,
            self.training_device,
            pool=self._resolve(self.pool),
            reference=self._resolve_reference(),
            rank=rank,
            world_size=world_size,
        )
        selected.seconds["index"] += self._watch.seconds.get("index", 0.0)
        for chosen_from in (self.pool, self.reference):  # what was read of them is in the selection
            self._resolved.pop(id(chosen_from), None)
        digest = selected.selection.digest
        if self.trainer is not None and self.trainer.strategy.broadcast(digest) != digest:
            msg = (
                f"Expected every rank to choose the same images, found that rank {rank} "
                "differs from rank 0; check that all nodes see the same pool and the same cache folder."
            )
            raise RunError(msg)
        chosen = selected.pool.listing().take(selected.selection.indices.numpy())
        return LabelledImages(chosen, selected.pool.registry).relabelled(registry)

    def _resolve_reference(self) -> ResolvedImages | None:
        if self.reference is None:
            return None
        found = resolve_reference(self._resolve(self.reference), self.registry)
        self._resolved[id(self.reference)] = found
        return found
