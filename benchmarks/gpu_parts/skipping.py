"""What a part says that cannot run here."""


class Skipped(Exception):  # noqa: N818 - it is no error
    """Why a part was not measured."""
