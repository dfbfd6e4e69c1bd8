"""Training a run to an epoch: steps, metrics, validation, previews, checkpoints, and every way it can end early."""

import datetime
import time
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.base.failpoints import reach
from engine.base.files import disk_errors, require_free
from engine.base.text import plural
from engine.config.sampling_settings import Settings
from engine.device.out_of_memory import is_out_of_memory
from engine.jobs.context import Work
from engine.models.build import architecture, unet_config
from engine.runs.checkpoints import Manifest, next_size, publish
from engine.runs.metrics import MetricsWriter
from engine.runs.record import freeze
from engine.sampling.drawing import NotFiniteError, batch_that_fits, draw
from engine.sampling.sheets import grid, save_png
from engine.training.compiling import forward_of
from engine.training.divergence import Divergence
from engine.training.retention import Retention
from engine.training.scoring import ChunkScorer
from engine.training.session import Session
from engine.training.state import evaluating
from engine.training.step import Stepper
from engine.training.validation import Validation, Validator

PREVIEW_SEED = 0


@dataclass(frozen=True)
class Ended:
    """Where training stands. `stopped` says why it is short of its target, or is None."""

    step: int
    epoch: float
    checkpoint: int | None
    stopped: str | None


class Trainer:
    """Drives a session; one object a job."""

    def __init__(self, work: Work, session: Session) -> None:
        self.work, self.s = work, session
        self.profile = session.profile
        self.timeline = session.timeline
        self.batch = self.profile.training.batch_size
        resumed = session.resumed
        self.metrics = MetricsWriter(session.run.metrics, resumed.metrics_offset if resumed else 0)
        if resumed and self.metrics.missing:
            work.say(
                f"{session.run.metrics} lacks its last {self.metrics.missing:,} bytes: the curves have a gap, "
                "the training has none"
            )
        forward = forward_of(work, session)
        images = self.timeline.images
        self.stepper = Stepper(session.state, session.schedule, self.profile, session.plan, forward, images)
        self.divergence = Divergence(session, self.stepper)
        self.saved_step = resumed.step if resumed else None
        self.saved_at = time.monotonic()
        self.validator = self._validator()
        self.scorer = ChunkScorer(work, session)
        self.retention = Retention(work, session)
        # The last end of an epoch: its step, training loss and score. A stop may save there after it.
        self._measured: tuple[int, float | None, Validation | None] = (-1, None, None)
        self._rate_clock = (time.monotonic(), session.state.step)
        self._images_per_s: float | None = None

    # What a caller uses.

    def train(self, to_epoch: int) -> Ended:
        """Go on until `to_epoch` whole epochs are done, or until asked to stop. Doing it twice does no harm.

        Raises Diverged, DiskFullError; the newest whole checkpoint is then where the run stands.
        """
        state, target = self.s.state, self.timeline.end_of(to_epoch)
        first, here = self._first(), self.timeline.epochs(state.step)
        self.work.say(
            f"run {self.s.run.name}: epoch {here:.2f} → {to_epoch} "
            f"({plural(max(0, target - state.step), 'step')} of {plural(self.batch, 'picture')})"
        )
        self.work.patiently(lambda: self.s.plan_to(to_epoch))
        for line in self.s.rates.says(here, to_epoch):
            self.work.say(line)
        planned = self.s.rates.horizon * self.timeline.steps_per_epoch
        warmup = self.profile.optim.warmup_steps
        if not state.step and warmup > planned / 3:
            self.work.say(
                f"warning: the learning rate warms up for {warmup:,} steps, but the profile plans {planned:,}, "
                "so little will be learned; decrease optim.warmup_steps or increase training.epochs"
            )
        try:
            while state.step < target and not self.work.stopping:
                self._one_step()
                reach("train.step")
                if state.step % self.profile.training.log_every == 0:
                    self._log()
                if self.divergence.due():
                    self._stop_if_diverged()
                self._report("training", first, target, to_epoch)
                if self.timeline.is_epoch_end(state.step):
                    self._end_epoch(first, target, to_epoch)
                elif self._minutes_since_save() >= self.profile.training.checkpoint_minutes:
                    self._save(first, target, to_epoch)
            if self.work.stopping and state.step != self.saved_step and state.step < target:
                self._save(first, target, to_epoch)
        finally:
            try:
                self.metrics.close()
            except OSError:
                pass  # a full disk: everything up to the last checkpoint is in the file
        return Ended(
            state.step,
            self.timeline.epochs(state.step),
            self.saved_step,
            self.work.stopping if state.step < target else None,
        )

    def _first(self) -> int:
        """The step at which this job began, also where it was stopped since: what it does is counted from there."""
        begun = self.work.spec.args.get("from_epoch")
        if not isinstance(begun, int | float):
            return self.s.state.step
        place = round(begun * self.timeline.steps_per_epoch)
        return min(max(self.timeline.at_place(place), self.timeline.origin.step), self.s.state.step)

    # One step.

    def _one_step(self) -> None:
        state = self.s.state
        rate = self._learning_rate(state.step)
        batch = self.divergence.batch = self.s.feeder.batch(state.step)
        while True:
            try:
                self.stepper.step(batch, rate)
                return
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error) or not self._halve():
                    raise

    def _learning_rate(self, step: int) -> float:
        return self.s.rates.rate(step, self.timeline)

    def _halve(self) -> bool:
        """After running out of memory: half the micro-batch, from this step on, for this run, stored."""
        state = self.s.state
        micro = state.micro_batch
        if micro == 1:
            return False
        smaller = micro // 2 if micro % 2 == 0 else 1
        state.optimizer.zero_grad(set_to_none=True)
        if self.s.plan.kind == "cuda":
            torch.cuda.empty_cache()
        state.micro_batches = [*state.micro_batches, [state.step, smaller]]
        self.work.patiently(lambda: freeze(self.s.run, micro_batches=state.micro_batches))
        self.work.say(
            f"out of memory at step {state.step}: micro-batch {micro} → {smaller}; "
            f"the effective batch of {self.batch} and all random numbers stay the same"
        )
        return True

    # Metrics.

    def _log(self) -> None:
        state = self.s.state
        sums = state.sums.read()
        steps = sums["window_steps"]
        self._write(
            kind="train",
            step=state.step,
            epoch=round(self.timeline.epochs(state.step), 6),
            images=self.timeline.images(state.step),
            loss=sums["window_loss"] / steps if steps else float("nan"),
            lr=self._learning_rate(state.step - 1),
            grad_norm=sums["window_norm"] / steps if steps else float("nan"),
            bad=int(sums["bad"]),
            time=round(time.time(), 3),
            images_per_s=round(self._images_per_s, 2) if self._images_per_s else None,
        )
        state.sums.clear("window_")

    def _stop_if_diverged(self) -> None:
        row = self.divergence.row()
        if row >= self.profile.training.max_bad_steps:
            if self.s.state.step % self.profile.training.log_every:
                self._log()
            raise self.divergence.error(row, self.saved_step)

    def _write(self, **line: object) -> None:
        with disk_errors(self.s.run.metrics):
            self.metrics.write(line)

    def _report(self, phase: str, first: int, target: int, to_epoch: int) -> None:
        now, state = time.monotonic(), self.s.state
        then, step = self._rate_clock
        if phase == "training" and now - then >= 2.0:
            fresh = (state.step - step) * self.batch / (now - then)
            self._images_per_s = (
                fresh if self._images_per_s is None else 0.6 * self._images_per_s + 0.4 * fresh
            )
            self._rate_clock = (now, state.step)
        speed = self._images_per_s
        self.work.report(
            phase,  # type: ignore[arg-type]
            state.step - first,
            target - first,
            "steps",
            text="",
            step=state.step,
            epoch=self.timeline.epochs(state.step),
            to_epoch=to_epoch,
            images_per_s=speed,
            eta_s=(target - state.step) * self.batch / speed if speed else None,
            lr=self._learning_rate(max(0, state.step - 1)),
            device=self.s.plan.device,
        )

    # The end of an epoch.

    def _end_epoch(self, first: int, target: int, to_epoch: int) -> None:
        state, training = self.s.state, self.profile.training
        epoch = self.timeline.epoch(state.step)
        validation = None
        started = time.monotonic()
        with evaluating(state.model), state.ema.swapped_in():
            if self.validator:
                self._report("validating", first, target, to_epoch)
                validation = self.validator.score(state.model)
            if training.preview_every and (epoch % training.preview_every == 0 or state.step == target):
                self._report("sampling", first, target, to_epoch)
                self.work.patiently(lambda: self._preview(epoch))
        sums = state.sums.read()
        train_loss = sums["epoch_loss"] / sums["epoch_steps"] if sums["epoch_steps"] else float("nan")
        self._measured = (state.step, train_loss, validation)
        self._write(
            kind="epoch",
            step=state.step,
            epoch=epoch,
            images=self.timeline.images(state.step),
            train_loss=train_loss,
            val_loss=validation.loss if validation else None,
            eps_error=validation.eps_error if validation else None,
            bands=list(validation.bands) if validation else None,
            lr=self._learning_rate(state.step - 1),
            time=round(time.time(), 3),
            seconds=round(time.monotonic() - started, 3),
        )
        state.sums.clear("epoch_")
        chunk_end = epoch % training.chunk_epochs == 0
        if chunk_end:
            self._write(
                kind="event", event="chunk", step=state.step, epoch=epoch, text=f"epoch {epoch}: chunk"
            )
        if (
            self._learning_rate(state.step) != self._learning_rate(state.step - 1)
            and self.profile.optim.lr_steps
        ):
            self._write(
                kind="event",
                event="lr",
                step=state.step,
                epoch=epoch,
                text=f"learning rate {self._learning_rate(state.step):g}",
            )
        said = f"epoch {epoch}: train {train_loss:.4f}"
        if validation:
            said += f", held out {validation.loss:.4f}"
        self.work.say(said + (f", {self._images_per_s:.0f} images/s" if self._images_per_s else ""))
        done = state.step >= target
        due = self._minutes_since_save() >= training.checkpoint_minutes / 2
        kept = epoch in training.keep_epochs or self.retention.is_awaited(epoch)
        if done or chunk_end or due or kept:
            self._save(first, target, to_epoch, chunk_end or done)
        if done or chunk_end:
            self.work.patiently(
                lambda: self.scorer.score(lambda: self._report("evaluating", first, target, to_epoch))
            )
        # What the epoch's end took is left out; the steps before it count on, so that short epochs have a speed too.
        then, step = self._rate_clock
        self._rate_clock = (then + time.monotonic() - started, step)

    def _preview(self, epoch: int) -> None:
        """Draw the same seeds with the averaged weights, which are in the model now."""
        labels = self.profile.labels.previews
        settings = Settings.from_profile(self.profile, seed=PREVIEW_SEED, labels=labels)
        each = max(1, self.profile.training.preview_count // max(1, len(labels)))
        count = each * max(1, len(labels))
        try:
            pictures = next(
                draw(self.s.state.model, self.s.schedule, self.profile, self.s.plan, settings, count, count)
            ).pictures
        except NotFiniteError as error:
            self.work.say(f"no preview of epoch {epoch}: {error.what}")
            return
        self.s.run.previews.mkdir(exist_ok=True)
        step = self.s.state.step
        with disk_errors(self.s.run.previews):
            save_png(
                self.s.run.preview(step),
                grid(pictures, each if labels else None, gap=0),
                {
                    "run": self.s.run.name,
                    "step": str(step),
                    "epoch": str(epoch),
                    "count": str(count),
                    "size": str(self.profile.data.size),
                    **({"labels": "; ".join(labels)} if labels else {}),
                },
            )

    def _validator(self) -> Validator | None:
        count = self.profile.training.validation_pictures
        s = self.s
        if not count or not len(s.packed.held_out):
            return None
        return Validator(
            s.packed.pictures, s.packed.held_out, count, s.schedule, self.profile.objective, s.plan, s.device,
            batch=min(64, batch_that_fits(self.profile, s.plan, 1 << 30)), labels=s.labels,
        )  # fmt: skip

    # Checkpoints.

    def _minutes_since_save(self) -> float:
        return (time.monotonic() - self.saved_at) / 60

    def _save(
        self,
        first: int,
        target: int,
        to_epoch: int,
        chunk_end: bool = False,
    ) -> None:
        """Publish a checkpoint of now, with what was measured at this step, then thin the older ones out as the profile
        says.

        While steps fail none is published, so that a run that has to be stopped stays at its last good one. Raises
        Diverged if the target is one of them, as it is not reached, and if a part of the state is lost for good.
        """
        state, run = self.s.state, self.s.run
        measured_at, train_loss, validation = self._measured
        if measured_at != state.step:
            train_loss, validation = None, None
        counters = state.counters()
        if self.divergence.spoiled(row := counters["sums"]["row"]):
            if state.step >= target:
                raise self.divergence.error(int(row), self.saved_step)
            if self.work.stopping:
                self.work.say(f"no checkpoint of step {state.step}: it has no finite loss")
            return
        if lost := self.divergence.lost():
            raise self.divergence.error(0, self.saved_step, lost)
        self._report("checkpointing", first, target, to_epoch)
        reach("checkpoint.begin")
        self.work.patiently(lambda: require_free(run.path, next_size(run)))
        with disk_errors(run.metrics):
            offset = self.metrics.sync()
        manifest = Manifest(
            step=state.step,
            epoch=self.timeline.epoch(state.step),
            images=self.timeline.images(state.step),
            position=self.timeline.position(state.step),
            epochs=self.timeline.epochs(state.step),
            steps_per_epoch=self.timeline.steps_per_epoch,
            architecture=architecture(unet_config(self.profile)),
            chunk_end=chunk_end,
            chunk=self.retention.chunk(self.timeline.epoch(state.step)) if chunk_end else None,
            train_loss=_finite(train_loss),
            val_loss=_finite(validation.loss) if validation else None,
            eps_error=_finite(validation.eps_error) if validation else None,
            lr=self._learning_rate(max(0, state.step - 1)),
            metrics_offset=offset,
            sums=counters["sums"],
            scaler=counters["scaler"],
            torch_version=torch.__version__,
            created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        )
        self.work.patiently(lambda: publish(run, manifest, state.save))
        self.saved_step, self.saved_at = state.step, time.monotonic()
        reach("checkpoint.published")
        self.work.patiently(self.retention.thin_out)


def _finite(value: float | Tensor | None) -> float | None:
    return float(value) if value is not None and torch.isfinite(torch.tensor(float(value))) else None
