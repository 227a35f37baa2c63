"""The semantic prior: a CLIP model, its prompts, and the cache of what it said about a pool."""

from semdd_lightning.prior.cache import SHARD_SIZE
from semdd_lightning.prior.embedding import PoolEmbeddings, embed_pool
from semdd_lightning.prior.loaded_clip import LoadedClip
from semdd_lightning.prior.open_clip_prior import OpenClipPrior, as_prior, parse_prior
from semdd_lightning.prior.preprocessing import Preprocessing
from semdd_lightning.prior.prompts import PROMPT_SETS, resolve_prompts, text_prototypes

__all__ = [
    "PROMPT_SETS",
    "SHARD_SIZE",
    "LoadedClip",
    "OpenClipPrior",
    "PoolEmbeddings",
    "Preprocessing",
    "as_prior",
    "embed_pool",
    "parse_prior",
    "resolve_prompts",
    "text_prototypes",
]
