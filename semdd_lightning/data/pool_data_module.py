"""Lightning data module that selects its training images from a pool in ``setup()``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch

from semdd_lightning.audit import AuditPolicy, check_policy
from semdd_lightning.classes import ClassRegistry
from semdd_lightning.data.augmentation import Augmentation
from semdd_lightning.data.classifier import Classifier, ClassifierContext
from semdd_lightning.data.classifying import usual_side
from semdd_lightning.data.image_data_module import ImageDataModule
from semdd_lightning.data.image_sets import ImageSet
from semdd_lightning.data.labelled_images import LabelledImages, pool_images
from semdd_lightning.data.selecting import carry_out
from semdd_lightning.data.selection_plan import SelectionPlan
from semdd_lightning.data.stopwatch import Stopwatch
from semdd_lightning.data.storage import Storage
from semdd_lightning.datasets import with_imagenet_names
from semdd_lightning.errors import PoolError, RunError
from semdd_lightning.export.pool_selection import PoolSelection
from semdd_lightning.given import given_path
from semdd_lightning.pools import Pool, PoolReader, as_reader
from semdd_lightning.prior import OpenClipPrior, TimmPrior, first_clip, listed_priors
from semdd_lightning.selection import Sampler, build_sampler, whole_number


class PoolDataModule(ImageDataModule):
    """Wraps an image pool: scores it with CLIP, chooses ``ipc`` images a class, serves them for training.

    Under DDP the ranks embed disjoint parts of the pool, wait for each other, compute the same selection
    from the same cache and compare its digest.

    Args:
        pool: how to read the pool.
        prior: the model that scores the pool, CLIP or one of timm, or a list of several.
        ipc: images per class to choose.
        num_classes: number of classes, also given to the model.
        image_size: pixels a side of training images, also given to the model.
        sampler: how to choose: a short name (`semdd select --help` lists them), the path of a class, or a
            sampler with arguments.
        selection_seed: seed of samplers that draw.
        test: test split; it is looked at only by ``test`` and ``predict``.
        validation: validation split, never the test split; it also serves the check of a teacher.
        predict: images for ``predict``; none takes the test split.
        batch_size: global batch size, over all devices; clamped to ipc x classes.
        passes: visits to every chosen image in the whole training.
        passes_per_epoch: passes that make one Lightning epoch, at most: the largest number that divides
            ``passes`` is taken.
        augmentation: what happens to a training image.
        augmentation_seed: seed of order, augmentation and mixing.
        mixing_group: images that share partners and one mixing; none takes batch_size. Labels stored for one
            batch size serve another as long as this stays what it was.
        distinct_passes: passes whose augmentation is drawn; later ones repeat them in rotation, so that fewer
            soft labels need to be stored. None draws every pass anew.
        replay_seed: augmentation seed of stored soft labels, so that students of any seed learn from them;
            none takes augmentation_seed.
        evaluation_batch_size: images a batch and device in evaluation.
        evaluation_view: what of a real image is looked at: cropped resizes its shorter side to
            ``image_size // 7 * 8`` and cuts the centre (RDED, SRe2L), whole resizes it to ``image_size``
            (Minimax Diffusion).
        reference: real images of the same classes, for samplers and scores that compare with these, and
            for the audit.
        classifier: a network that tells the classes apart, as any teacher, for samplers and scores that ask
            one.
        cache_dir: where the pool's index and the embeddings are kept; none takes SEMDD_CACHE or the user's
            cache folder.
        storage: where chosen images live; auto takes the first of device, host, disk that fits.
        num_workers: processes that decode images which live on disk.
        audit: what to do before training where images do not show the classes of their folders: refuse,
            warn and go on, or off to not look.
    """

    def __init__(
        self,
        pool: PoolReader,
        prior: OpenClipPrior | TimmPrior | list[OpenClipPrior | TimmPrior],
        ipc: int,
        num_classes: int,
        image_size: int,
        sampler: str | Sampler = "two_stage",
        selection_seed: int = 0,
        test: ImageSet | None = None,
        validation: ImageSet | None = None,
        predict: ImageSet | None = None,
        batch_size: int = 100,
        passes: int = 300,
        passes_per_epoch: int = 10,
        augmentation: Augmentation = Augmentation(),  # noqa: B008 - frozen
        augmentation_seed: int = 0,
        mixing_group: int | None = None,
        distinct_passes: int | None = None,
        replay_seed: int | None = None,
        evaluation_batch_size: int = 500,
        evaluation_view: Literal["cropped", "whole"] = "cropped",
        reference: PoolReader | None = None,
        classifier: Classifier | None = None,
        cache_dir: Path | None = None,
        storage: Storage | Literal["auto"] = "auto",
        num_workers: int = 4,
        audit: AuditPolicy = "refuse",
    ) -> None:
        super().__init__(
            train=None,
            num_classes=num_classes,
            image_size=image_size,
            test=test,
            validation=validation,
            predict=predict,
            batch_size=batch_size,
            passes=passes,
            passes_per_epoch=passes_per_epoch,
            augmentation=augmentation,
            augmentation_seed=augmentation_seed,
            mixing_group=mixing_group,
            distinct_passes=distinct_passes,
            replay_seed=replay_seed,
            evaluation_batch_size=evaluation_batch_size,
            evaluation_view=evaluation_view,
            storage=storage,
            num_workers=num_workers,
        )
        self.pool = as_reader(pool)
        self.priors = listed_priors(prior)
        self.ipc = whole_number("ipc", ipc, at_least=1)
        self.sampler = build_sampler(sampler)
        self.selection_seed = whole_number("selection_seed", selection_seed, at_least=0)
        self.reference = None if reference is None else as_reader(reference)
        self.classifier = classifier
        self.cache_dir = None if cache_dir is None else given_path("cache_dir", cache_dir)
        check_policy(audit)
        self.audit: AuditPolicy = audit
        self.selected: PoolSelection | None = None
        self._indexed: Pool | None = None  # of this process, to spare it a second look
        self._watch = Stopwatch()

    @property
    def prior(self) -> OpenClipPrior | None:
        """The CLIP model that scores the pool, of several the first: the one that a teacher may be."""
        return first_clip(self.priors)

    @property
    def selection_plan(self) -> SelectionPlan:
        """What is chosen, from what and by what."""
        return SelectionPlan(
            self.pool,
            self.priors,
            self.ipc,
            self.sampler,
            self.selection_seed,
            self.reference,
            self.classifier,
            self.cache_dir,
            self.audit,
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
        if self._trains:
            plan = self.selection_plan
            plan.prepare()
            plan.check(self.registry)
        super().prepare_data()
        if self._trains:
            self._index()

    def _index(self) -> None:
        """Read every image once; the other processes of the node find what it told in the cache."""
        with self._watch.measure("index"):
            self._indexed = self.pool.read(self.cache_dir)
            if self.reference is not None:
                self.reference.read(self.cache_dir)
        if self.classifier is not None:  # fetched by one process of a node, for all of them
            size = usual_side(self._indexed)
            with torch.random.fork_rng(devices=[]):
                self.classifier.build_whole(ClassifierContext(self.registry, size, self.prior))

    def _find_registry(self) -> ClassRegistry:
        try:
            return with_imagenet_names(self.pool.registry())
        except PoolError:
            if self._trains:
                raise
            return super()._find_registry()

    def _training_images(self) -> LabelledImages:
        """Select; every rank gets the same images."""
        registry = self.registry  # a wrong num_classes is found before anything is embedded
        rank, world_size = self._process
        selected = carry_out(
            self.selection_plan, self._device, images=self._indexed, rank=rank, world_size=world_size
        )
        selected.seconds["index"] += self._watch.seconds.get("index", 0.0)
        self._indexed = None
        self._compare_ranks(selected.selection.digest)
        self.selected = selected
        return pool_images(selected.pool).take(selected.selection.indices.numpy()).relabelled(registry)

    def _compare_ranks(self, digest: str) -> None:
        if self.trainer is None:
            return
        first = self.trainer.strategy.broadcast(digest)
        if first != digest:
            msg = (
                f"Expected every rank to choose the same images, found that rank {self.trainer.global_rank} "
                "differs from rank 0; check that all nodes see the same pool and the same cache folder."
            )
            raise RunError(msg)
