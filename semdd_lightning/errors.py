"""What can go wrong for a user, each error saying what was expected, what was found and what to do."""

from semdd_lightning.names import shown_message


class SemddError(Exception):
    """Base of all errors that a user can mend; the command line prints them without a traceback."""

    def __str__(self) -> str:
        return shown_message(super().__str__())


class ClassListError(SemddError, ValueError):
    """The classes of a pool, a class list or a teacher do not fit together."""


class PoolError(SemddError, ValueError):
    """An image pool is missing, empty or malformed."""


class AuditError(PoolError):
    """The classes of a pool are not those of its images, so training on it would be a waste."""


class TooFewImagesError(PoolError):
    """A class holds fewer usable images than the requested images per class."""


class PriorError(SemddError, ValueError):
    """A CLIP model cannot be loaded as it was asked for."""


class SelectionError(SemddError, ValueError):
    """A selection was asked for with arguments that make no sense together."""


class ChoicesError(SemddError, ValueError):
    """Choices made by hand that cannot be read, or do not fit the pool."""


class CacheError(SemddError, RuntimeError):
    """The embedding cache could not be completed or read."""


class DiskError(SemddError, RuntimeError):
    """A file or folder that cannot be written: a full disk, a quota, or a path that is something else."""


class DamageError(SemddError, RuntimeError):
    """A file does not hold what was written to it."""


class NetworkError(SemddError, ValueError):
    """A network cannot be built for these classes and this image size."""


class TeacherError(SemddError, RuntimeError):
    """A teacher is unusable: missing, mismatched or at chance level."""


class LabelError(SemddError, RuntimeError):
    """Stored soft labels that are missing, incomplete or made for something else."""


class DataError(SemddError, RuntimeError):
    """A real data set that is not there or does not hold what it should."""


class ConfigError(SemddError, ValueError):
    """A configuration that cannot be run as it stands."""


class RunError(SemddError, RuntimeError):
    """A run directory that is missing, incomplete or not what it claims to be."""
