"""The launcher of this machine, with workers that give way to everything else."""

from engine.base.home import Home
from engine.service.launchers.local import LocalLauncher, worker_command


class NiceLauncher(LocalLauncher):
    """Starts `nice -n 1 python -m engine.worker`."""

    def __init__(self, home: Home) -> None:
        super().__init__(home, ["nice", "-n", "1", *worker_command()])
