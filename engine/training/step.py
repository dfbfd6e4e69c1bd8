"""One optimizer step: forward, backward, clip, update, average. Nothing else, and nothing waits for the device."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from engine.base.failpoints import reach, spoiled
from engine.config.profile import Profile
from engine.device.plan import DevicePlan, autocast
from engine.diffusion.forward import add_noise, target
from engine.diffusion.loss import loss_per_picture, weights
from engine.diffusion.randomness import seed_for
from engine.diffusion.schedule import Schedule
from engine.training.batches import Batch
from engine.training.state import TrainState, set_rate


class Stepper:
    """Advances a state by one effective batch, in micro-batches that change neither noise nor order."""

    def __init__(
        self,
        state: TrainState,
        schedule: Schedule,
        profile: Profile,
        plan: DevicePlan,
        forward: Callable[..., Tensor],
        images: Callable[[int], int] | None = None,
    ) -> None:
        """`forward` is the state's model or its compiled form; `images` gives the pictures that the run has seen after
        so many steps, if its batches were not all alike."""
        self.state, self.schedule, self.profile, self.plan, self.forward = (
            state,
            schedule,
            profile,
            plan,
            forward,
        )
        self._images = images or (lambda step: step * profile.training.batch_size)
        self._parameters = [p for p in state.model.parameters() if p.requires_grad]

    def step(self, batch: Batch, rate: float) -> None:
        """One update at learning rate `rate`. A step without a finite loss and gradient changes no weight.

        Raises torch.cuda.OutOfMemoryError or MemoryError only where a micro-batch of 1 does not fit.
        """
        state, optim = self.state, self.profile.optim
        loss = self._gradients(batch)
        if state.scaler:
            state.scaler.unscale_(state.optimizer)
        gradients = [p.grad for p in self._parameters if p.grad is not None]
        norm = nn.utils.get_total_norm(gradients)
        good = torch.isfinite(norm) & torch.isfinite(loss)
        if optim.clip_norm > 0:
            nn.utils.clip_grads_with_norm_(self._parameters, optim.clip_norm, norm)
        set_rate(state.optimizer, rate)
        if state.scaler:
            state.scaler.step(state.optimizer)
            state.scaler.update()
        else:
            # The fused optimizers skip a step on the device where found_inf is not 0.
            state.optimizer.found_inf = (~good).float().reshape(())  # type: ignore[attr-defined]
            state.optimizer.step()
        state.optimizer.zero_grad(set_to_none=True)
        state.step += 1
        t = self.profile.training
        state.ema.update(self._images(state.step), t.batch_size, t.ema_halflife, t.ema_warmup)
        state.sums.add(loss, norm, good)

    def _gradients(self, batch: Batch) -> Tensor:
        """Accumulate the gradient of the mean loss over the batch; the loss, a scalar."""
        count = len(batch.t)
        micro = self.state.micro_batch
        total = torch.zeros((), device=batch.t.device)
        for number, start in enumerate(range(0, count, micro)):
            part = slice(start, start + micro)
            if self.profile.model.dropout:
                torch.manual_seed(
                    seed_for(self.profile.training.seed, "dropout", self.state.step * count + number)
                )
            loss = self._loss(batch, part) / count
            (self.state.scaler.scale(loss) if self.state.scaler else loss).backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
        reach("train.backward")
        return total * float("nan") if spoiled("train.loss") else total

    def loss_of_weights(self, batch: Batch) -> Tensor:
        """The summed loss of the weights as they are on the first micro-batch of `batch`, never compiled: a forward
        pass of another kind would be compiled anew."""
        part = slice(0, self.state.micro_batch)
        return self._loss(batch, part, self.state.model)

    def _loss(self, batch: Batch, part: slice, forward: Callable[..., Tensor] | None = None) -> Tensor:
        """Return the sum of the weighted loss over a part of the batch."""
        o = self.profile.objective
        x_0, eps, t = batch.x_0[part], batch.eps[part], batch.t[part]
        x_t = add_noise(self.schedule, x_0, eps, t)
        if self.plan.layout == "channels_last":
            x_t = x_t.contiguous(memory_format=torch.channels_last)
        with autocast(self.plan):
            output = (forward or self.forward)(x_t, t, *batch.labels(part))
        wanted = target(self.schedule, o.prediction, x_0, eps, t)
        weight = weights(self.schedule, t, o.prediction, o.min_snr_gamma)
        return (loss_per_picture(output.float(), wanted, o.loss) * weight).sum()
