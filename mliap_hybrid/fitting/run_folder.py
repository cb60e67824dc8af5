"""The folder of one training run: where each file of it lies, and that no earlier run is lost."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from mliap_hybrid.errors import InputError


@dataclass(frozen=True)
class RunFolder:
    """Names of the files in a run folder."""

    path: Path

    @property
    def config(self) -> Path:
        """The resolved training file."""
        return self.path / "config.yaml"

    @property
    def log(self) -> Path:
        """What was printed."""
        return self.path / "train.log"

    @property
    def metrics(self) -> Path:
        """One line for each epoch."""
        return self.path / "metrics.csv"

    @property
    def report(self) -> Path:
        """Folder of the error table and the plots."""
        return self.path / "report"

    def members(self, n_members: int) -> list[RunFolder]:
        """Folders of the members of a committee; this folder is that of a single network."""
        if n_members == 1:
            return [self]
        return [RunFolder(self.path / "members" / str(number)) for number in range(1, n_members + 1)]

    def checkpoint(self, which: str) -> Path:
        """The checkpoint `which`, "last" or "best"."""
        return self.path / "checkpoints" / f"{which}.pt"

    def holds_run(self) -> bool:
        """Whether a run was started here."""
        return self.config.exists()

    def is_used(self) -> bool:
        """Whether anything is here that must not be lost."""
        return self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir()))

    def refuse_if_used(self) -> None:
        """Refuse to start a run where something is.

        Raises
        ------
        InputError
        """
        if self.is_used():
            what = "already holds a run" if self.holds_run() else "exists and is not an empty folder"
            raise InputError(
                f"{self.path} {what}: give --resume to continue it, --overwrite to move it to a backup and start "
                "again, or another folder with --run"
            )

    def create(self, n_members: int = 1) -> Path | None:
        """Make the folders of a new run; what is there becomes a numbered backup beside it.

        Parameters
        ----------
        n_members : int
            Number of networks, each with a folder where there are several.

        Returns
        -------
        Path or None
            The backup, where one was made.

        Raises
        ------
        InputError
            If the folder cannot be written.
        """
        backup = self._free_backup() if self.is_used() else None
        try:
            if backup is not None:
                shutil.move(self.path, backup)
            for folder in {self, *self.members(n_members)}:
                folder.checkpoint("last").parent.mkdir(parents=True, exist_ok=True)
            self.report.mkdir(exist_ok=True)
        except OSError as error:
            raise InputError(f"cannot write the run folder {self.path}: {error.strerror}") from None
        return backup

    def _free_backup(self) -> Path:
        number = 1
        while (backup := self.path.with_name(f"{self.path.name}.backup{number}")).exists():
            number += 1
        return backup
