"""The reader of run.json: the service, the screen, the commands and the worker use it.

The profile is plain data here. Its validation needs pydantic, which the service and the screen's first paint do not
import; `engine.runs.record` adds it. Never imports torch.
"""

from dataclasses import dataclass, field, replace
from typing import Annotated, Any

from engine.base import seals
from engine.base.folders import RunFolder
from engine.base.records import read_json
from engine.base.seals import check_seal
from engine.base.typed import AtLeast, Count, Fits, Migration, check_format, migrated, typed, unknown_fields

FORMAT = 1

MIGRATIONS: dict[int, Migration] = {}
"""Functions that migrate run.json from each older format to the next."""


@dataclass(frozen=True)
class Lineage:
    """The checkpoint from which a branch started."""

    parent: str
    step: int
    epoch: int
    images: int
    changes: tuple[str, ...] = ()


def _is_beside(name: str) -> bool:
    return "/" not in name and name not in ("", ".", "..")


def _is_history(sizes: list[list[int]]) -> bool:
    return bool(sizes) and all(len(pair) == 2 and pair[1] >= 1 for pair in sizes) and sizes[0][0] == 0


@dataclass(frozen=True)
class _Pictures:
    """The pictures with which a run began."""

    folder: Annotated[str, Fits(_is_beside, "the name of a folder")] | None = None
    fingerprint: str | None = None
    sha256: str | None = None
    train: Count | None = None


@dataclass(frozen=True)
class _Labels:
    """The state of the labels with which a run began."""

    digest: Annotated[str, Fits(_is_beside, "a part of a file's name")]


@dataclass(frozen=True)
class _ShownPlan:
    """The parts of a worker's plan that are shown; only the worker uses the rest."""

    device: str = ""
    device_name: str = ""
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Frozen:
    """The types of known fields in run.json's `frozen`. All are missing before the run has begun."""

    plan: _ShownPlan | None = None
    device_kind: str | None = None
    data: _Pictures | None = None
    micro_batches: Annotated[list[list[Count]], Fits(_is_history, "pairs of a step and a size")] | None = None
    steps_per_epoch: Annotated[int, AtLeast(1)] | None = None
    architecture: str | None = None
    planned_epochs: Annotated[int, AtLeast(0)] | None = None
    labels: _Labels | None = None


@dataclass(frozen=True)
class StoredRun:
    """run.json. frozen: checked as `_Frozen`, and kept as it is · others: keys that a newer version wrote, which are
    written again with the rest.
    """

    profile: dict[str, Any]
    profile_name: str
    created: str
    lineage: Lineage | None
    frozen: dict[str, Any]
    versions: dict[str, str]
    others: dict[str, Any] = field(default_factory=dict)

    def setting(self, section: str, key: str) -> Any:
        """Return a value of the profile; None if there is none."""
        table = self.profile.get(section)
        return table.get(key) if isinstance(table, dict) else None


def read_stored(folder: RunFolder) -> StoredRun:
    """Read run.json in today's format. Raises UserError for a newer format, DamagedError for an unreadable file."""
    what = f"the record of run {folder.name!r}"
    data = check_format(read_json(folder.record, what), FORMAT, what, folder.record)
    check_seal(data, what, folder.record)
    data = migrated(data, MIGRATIONS, FORMAT, what)
    found = typed(StoredRun, data, what, folder.record)
    typed(_Frozen, found.frozen, f"{what}, in frozen,", folder.record)
    return replace(found, others=_others(data))


def _others(data: dict[str, Any]) -> dict[str, Any]:
    found = unknown_fields(data, StoredRun, "format", "name", seals.KEY)
    if data["lineage"] and (in_lineage := unknown_fields(data["lineage"], Lineage)):
        found["lineage"] = in_lineage
    return found
