"""MLflow, into a database in a folder on this machine."""

from collections.abc import Mapping
from pathlib import Path

from mlflow.entities import Metric
from mlflow.tracking import MlflowClient

from engine.loggers.targets import Opening

EXPERIMENT = "ddpm-tui"
TAG = "ddpm-tui.key"
LONGEST = 500
"""Characters of a parameter."""


class MlflowSink:
    """One run of an experiment; a logger that starts again finds it by its key, and its present contents."""

    def __init__(self, opening: Opening) -> None:
        folder = Path(opening.place)
        folder.mkdir(parents=True, exist_ok=True)
        self._client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
        found = self._client.get_experiment_by_name(EXPERIMENT)
        experiment = (
            found.experiment_id
            if found
            else self._client.create_experiment(EXPERIMENT, (folder / "artifacts").as_uri())
        )
        there = self._client.search_runs([experiment], f"tags.`{TAG}` = '{opening.key}'")
        self._known: dict[str, int] = {}
        if there:
            self._id = there[0].info.run_id
            for name in ("train/loss", "epoch/train_loss"):
                steps = [metric.step for metric in self._client.get_metric_history(self._id, name)]
                self._known[name.partition("/")[0]] = max(steps, default=-1)
            return
        made = self._client.create_run(experiment, run_name=opening.run, tags={TAG: opening.key})
        self._id = made.info.run_id
        for name, value in opening.config.items():
            self._client.log_param(self._id, name, str(value)[:LONGEST])

    def scalars(self, step: int, values: Mapping[str, float], time: float) -> None:
        # Entries it took before it was stopped may not have been noted.
        if step <= self._known.get(next(iter(values), "").partition("/")[0], -1):
            return
        metrics = [Metric(name, value, int(1000 * time), step) for name, value in values.items()]
        self._client.log_batch(self._id, metrics=metrics)

    def picture(self, step: int, name: str, png: Path) -> None:
        self._client.log_artifact(self._id, str(png), f"{name}/{step:08d}")

    def flush(self) -> None:
        """Do nothing, as every call writes."""

    def close(self) -> None:
        self._client.set_terminated(self._id)
