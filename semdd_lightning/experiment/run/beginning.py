"""How a run begins in its directory: anew, or with what an earlier one left there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from jsonargparse import Namespace

from semdd_lightning.experiment.config.configs import with_bases
from semdd_lightning.experiment.config.run_config import named_configs, run_name
from semdd_lightning.experiment.run.directory import VERSIONS
from semdd_lightning.experiment.run.going_on import argv_of, keep_newest
from semdd_lightning.experiment.run.ownership import Claim, claim_apart


@dataclass(frozen=True, eq=False)
class Beginning:
    """What was asked for, beside what lies in the directory that it is to go to.

    Attributes:
        argv: the command and its options.
        config: what these say, parsed.
        files: the same as texts of files, by name, as the run keeps them.
    """

    argv: list[str]
    config: Namespace
    files: Mapping[str, str]

    def claim(self, images: Iterable[str]) -> Claim:
        """The run's directory, which is this process's alone from now on.

        Args:
            images: folders of images, apart from which it has to lie.

        Raises:
            RunError: if it is another's, or lies among the images.
        """
        wanted, root = self.config["run.directory"], self.config["run.root"]
        directory = None if wanted is None else Path(wanted).absolute()
        return claim_apart(directory, Path(root).absolute(), run_name(self.config), images)

    def clear(self, claim: Claim) -> None:
        """Remove what cannot be gone on with, but not what this very command is read from."""
        directory = claim.directory
        if not self._same_as_in(directory) or keep_newest(directory) is None:
            claim.clear(but=self._read_in(directory))

    def from_itself(self, directory: Path | None) -> bool:
        """Whether a directory is gone on with by what it holds alone: nothing else says what was begun."""
        return directory is not None and self.argv == argv_of(directory)

    def _same_as_in(self, directory: Path) -> bool:
        """Whether a directory holds what this command began."""
        file = directory / "config.yaml"
        own = file.is_file() and file.read_text(encoding="utf-8") == self.files["config.yaml"]
        return own or self.from_itself(directory)

    def _read_in(self, directory: Path) -> list[str]:
        """Names of the files in a directory that this command is read from."""
        if self.from_itself(directory):
            return [VERSIONS, *self.files]
        given = with_bases(Path(path) for path in named_configs(self.config))
        return [path.name for path in given if path.parent.resolve() == directory.resolve()]
