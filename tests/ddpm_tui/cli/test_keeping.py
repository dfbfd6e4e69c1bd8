"""Which checkpoints stay, as the command line says it."""

from engine.base.home import Home
from engine.runs.branch import branch_run, require_beginning
from engine.runs.checkpoints import checkpoint_folders, list_checkpoints, resolve
from engine.service.states import Job
from engine.service.store import QueueStore
from tests.ddpm_tui.cli.conftest import Cli
from tests.torchless import publish_at, trained_run

ROLLING = {"keep_epochs": [], "keep_last": 1}


def test_pruning_leaves_what_a_job_names_and_says_what_would_go(home: Home, cli: Cli) -> None:
    trained_run(home, "r", 4, training=ROLLING)
    for step in (16, 18, 30):
        publish_at(home.run("r"), step)
    store = QueueStore.open(home.queue_db)
    store.insert(Job("000003", "sample", "r", args={"checkpoint": "r@16"}))
    store.close()
    dry = cli("checkpoints", "prune", "r", "--dry-run", "--json").json
    assert dry == {"run": "r", "steps": [7, 18], "bytes": dry["bytes"], "done": False}
    assert cli("checkpoints", "prune", "r", "--yes").code == 0
    assert [folder.step for folder in checkpoint_folders(home.run("r"))] == [14, 16, 21, 28, 30]
    refused = cli("checkpoints", "delete", "r@16")
    assert (refused.code, "job 3 (sample r@16" in refused.error) == (1, True)


def test_a_branch_that_lost_its_beginning_is_not_begun_anew(home: Home, cli: Cli) -> None:
    trained_run(home, "r", 4, training=ROLLING)
    branch_run(home, *resolve(home, "r@e2"), [], "orphan")
    require_beginning(home, home.run("orphan"))
    assert cli("checkpoints", "delete", "orphan@14").code == 0
    assert not list_checkpoints(home.run("orphan"))
    for arguments in (("train", "orphan", "--chunks", "1"), ("train", "orphan", "--to-epoch", "4")):
        refused = cli(*arguments)
        assert refused.code == 1
        assert "checkpoints restore orphan@14" in refused.error
    assert cli("checkpoints", "restore", "orphan@14").code == 0
    require_beginning(home, home.run("orphan"))
    assert cli("checkpoints", "delete", "orphan@14").code == 0
    assert cli("trash", "purge", "--yes").code == 0
    gone = cli("train", "orphan")
    assert (gone.code, "runs branch r@14" in gone.error) == (1, True)
