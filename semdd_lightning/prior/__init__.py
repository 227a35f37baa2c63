"""The semantic prior: a CLIP model, its prompts, and the cache of what it said about a pool."""

from semdd_lightning.prior.cache import SHARD_SIZE
from semdd_lightning.prior.embedding import PoolEmbeddings, embed_pool
from semdd_lightning.prior.loaded_clip import LoadedClip
from semdd_lightning.prior.open_clip_prior import OpenClipPrior, parse_prior
from semdd_lightning.prior.preprocessing import Preprocessing
from semdd_lightning.prior.prompts import PROMPT_SETS, resolve_prompts, text_prototypes
from semdd_lightning.prior.several import join, listed_priors

__all__ = [
    "PROMPT_SETS",
    "SHARD_SIZE",
    "LoadedClip",
    "OpenClipPrior",
    "PoolEmbeddings",
    "Preprocessing",
    "embed_pool",
    "join",
    "listed_priors",
    "parse_prior",
    "resolve_prompts",
    "text_prototypes",
]
