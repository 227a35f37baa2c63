"""The semantic prior: a CLIP model, its prompts, and the cache of what it said about a pool."""

from semdd_lightning.prior.embedding import PoolEmbeddings, embed_pool, join
from semdd_lightning.prior.loaded_clip import LoadedClip
from semdd_lightning.prior.priors import (
    AnyPrior,
    OpenClipPrior,
    Prior,
    first_clip,
    listed_priors,
    parse_prior,
    prior_in_words,
    prior_kind,
)
from semdd_lightning.prior.prompts import PROMPT_SETS, resolve_prompts, text_prototypes
from semdd_lightning.prior.timm_prior import TimmPrior

__all__ = [
    "PROMPT_SETS",
    "AnyPrior",
    "LoadedClip",
    "OpenClipPrior",
    "PoolEmbeddings",
    "Prior",
    "TimmPrior",
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
