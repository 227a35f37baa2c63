"""The semantic prior: a CLIP model, its prompts, and the cache of what it said about a pool."""

from semdd_lightning.prior.cache import SHARD_SIZE
from semdd_lightning.prior.embedding import PoolEmbeddings, embed_pool, join
from semdd_lightning.prior.loaded_clip import LoadedClip
from semdd_lightning.prior.open_clip_prior import OpenClipPrior
from semdd_lightning.prior.parsing import (
    AnyPrior,
    Prior,
    as_prior,
    first_clip,
    listed_priors,
    parse_prior,
    prior_in_words,
    prior_kind,
)
from semdd_lightning.prior.preprocessing import Preprocessing
from semdd_lightning.prior.prompts import PROMPT_SETS, resolve_prompts, text_prototypes
from semdd_lightning.prior.timm_prior import TimmPrior

__all__ = [
    "PROMPT_SETS",
    "SHARD_SIZE",
    "AnyPrior",
    "LoadedClip",
    "OpenClipPrior",
    "PoolEmbeddings",
    "Preprocessing",
    "Prior",
    "TimmPrior",
    "as_prior",
    "embed_pool",
    "first_clip",
    "join",
    "listed_priors",
    "parse_prior",
    "prior_in_words",
    "prior_kind",
    "resolve_prompts",
    "text_prototypes",
]
