"""A trained network to draw from or to evaluate: a checkpoint of a run, or an exported one, given by one reference.

The only module that interprets such references. Never imports torch; `engine.sampling.load` loads the weights.
"""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from engine.base.errors import UserError
from engine.base.folders import ExportFolder, PackedFolder, RunFolder
from engine.base.home import ExportPlace, Home, is_export
from engine.config.profile import Profile
from engine.config.sampling_settings import Settings
from engine.runs.checkpoints import CheckpointInfo, resolve
from engine.runs.export import Export, read_export
from engine.runs.pictures import packed_for, pictures_of
from engine.runs.record import read_record


@dataclass(frozen=True)
class Trained:
    """A trained network. reference: as in a job's arguments, RUN@STEP or the exported folder · place: where its
    samples and scores are stored · epochs: seen, with the fraction.
    """

    reference: str
    place: RunFolder | ExportPlace
    step: int
    epochs: float
    profile: Profile
    of: CheckpointInfo | Export

    @property
    def name(self) -> str:
        """Return RUN@STEP, even if the run is not in this home."""
        return f"{self.place.name}@{self.step}"

    @property
    def run(self) -> str | None:
        """Return its run in this home; None for an exported network."""
        return self.place.name if isinstance(self.place, RunFolder) else None

    @property
    def passed_over(self) -> str:
        """Return a note on newer checkpoints that are damaged."""
        return self.of.passed_over if isinstance(self.of, CheckpointInfo) else ""

    def sha256(self, weights: str) -> str:
        """Return the SHA-256 of the "ema" or "raw" weights. Raises DamagedError for a damaged checkpoint."""
        if isinstance(self.of, Export):
            return self.of.sha256
        file = self.of.folder.ema if weights == "ema" else self.of.folder.model
        return str(self.of.whole().files[file.name]["sha256"])

    def drew(self, record: Mapping[str, Any]) -> bool:
        """Return whether a sample set with this record (sample.json) was drawn from this network, because exports
        share their place.
        """
        if isinstance(self.of, Export):
            return record.get("weights_sha256") == self.of.sha256
        return record.get("checkpoint") == self.step

    def settings(self, given: Mapping[str, Any]) -> Settings:
        """Return the sampling settings: those in a job's arguments, else the profile's. Raises UserError for invalid
        settings, and for weights that an export lacks.
        """
        given = {field.name: given.get(field.name) for field in fields(Settings)}
        if isinstance(self.of, Export):
            if given["weights"] not in (None, self.of.weights):
                raise UserError(
                    f"--weights {given['weights']}: the export has the {self.of.weights} weights",
                    "omit --weights",
                )
            given["weights"] = self.of.weights
        return Settings.from_profile(self.profile, **given)

    @property
    def frozen(self) -> Mapping[str, Any]:
        """Return the frozen part of run.json; for an exported network, the exported part of it."""
        if isinstance(self.place, RunFolder):
            return read_record(self.place).frozen
        return {"data": self.of.data} if isinstance(self.of, Export) else {}

    def pictures(self, home: Home) -> PackedFolder:
        """Return the folder of its packed training pictures, which may not exist yet. Raises UserError if they are
        not available.
        """
        if isinstance(self.place, RunFolder):
            return pictures_of(home, read_record(self.place))
        assert isinstance(self.of, Export)
        try:
            return packed_for(home, self.profile.data.model_dump(), {"data": self.of.data}, self.place.name)
        except UserError as error:
            what = f"the pictures that {self.reference} learned from are needed: {error.what}"
            raise UserError(what, error.hint) from None


def find_trained(home: Home, reference: str) -> Trained:
    """Return the network that RUN[@WHICH], or a folder of an exported checkpoint (anything with a slash), means now.

    Raises UserError, DamagedError and ProfileError as `resolve` and `read_export` do.
    """
    if is_export(reference):
        export = read_export(Path(reference))
        place = ExportPlace(home, export.run, export.sha256)
        return Trained(str(export.folder.path), place, export.step, export.epochs, export.profile, export)
    try:
        run, info = resolve(home, reference)
    except UserError as error:
        with contextlib.suppress(OSError):  # the name is too long for a file
            if ExportFolder(Path(reference)).record.is_file():
                raise UserError(
                    error.what, f"the exported checkpoint in this folder is ./{reference}"
                ) from None
        raise
    epochs = info.whole().epochs_seen
    return Trained(f"{run.name}@{info.step}", run, info.step, epochs, read_record(run).profile, info)
