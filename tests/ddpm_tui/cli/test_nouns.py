"""runs, checkpoints and trash: what they show and what they do, on runs that were made without torch."""

import json
from pathlib import Path

import pytest

from engine.base.home import Home
from engine.runs.checkpoints import list_checkpoints, read_tags
from engine.runs.record import load_run, run_names
from engine.service.states import Job
from engine.service.store import QueueStore
from tests.ddpm_tui.cli.conftest import Cli
from tests.tiny import make_run
from tests.torchless import extend, publish_at, trained_run


@pytest.fixture
def there(home: Home) -> Home:
    trained_run(home, "r", 4)
    return home


def steps(home: Home, run: str = "r") -> list[int]:
    return [info.step for info in list_checkpoints(home.run(run))]


# runs


def test_runs_list(there: Home, cli: Cli) -> None:
    trained_run(there, "broken", 1).record.write_text("{")
    (facts,) = [row for row in cli("runs", "list", "--json").json if row["run"] == "r"]
    assert (facts["epoch"], facts["epochs"], facts["step"], facts["checkpoints"]) == (4.0, 4, 28, 4)
    assert (facts["best"], facts["damaged"], facts["training"]) == (21, 0, False)
    shown = cli("runs", "list")
    assert shown.code == 0
    lines = shown.out.splitlines()
    assert lines[0].split() == ["RUN", "PROFILE", "EPOCH", "KEPT", "SIZE", "BEST"]
    assert any(line.split()[:3] == ["r", "4/4", "4"] for line in lines)
    assert any(line.startswith("broken") and "not readable JSON" in line for line in lines)


def test_a_copy_by_hand_under_an_impossible_name_hides_no_run(there: Home, cli: Cli) -> None:
    there.run("r").path.rename(there.runs / "r (copy)")
    trained_run(there, "other", 1)
    shown = cli("runs", "list")
    assert shown.code == 0
    assert [line.split()[0] for line in shown.out.splitlines()[1:]] == ["other"]
    assert "r (copy) has a run with an invalid name" in shown.err
    assert "r (copy)" in cli("doctor", "--json").out


def test_the_curves_as_csv(home: Home, cli: Cli) -> None:
    run = trained_run(home, "r", 2)
    with run.metrics.open("a") as file:
        file.write("garbage\n")
        file.write('{"kind":"event","step":15,"what":"x"}\n')
        file.write('{"kind":"train","epoch":2.1,"loss":0.3}\n')  # says not where it belongs
        file.write('{"kind":"train","step":20,"epoch":2.5,"images":80,"loss":null,"lr":1e-05,"more":1}\n')
        file.write('{"kind":"epoch","step":21,"epoch":3,"eps_error":0.125,"bands":[0.5,null,"x"]}\n')
        file.write('{"kind":"train","step":30,"epoch":3.5,"lo')
    shown = cli("runs", "metrics", "r")
    assert shown.code == 0
    head, *lines = shown.out.splitlines()
    assert head == (
        "kind,step,epoch,images,loss,lr,grad_norm,bad,time,images_per_s,"
        "train_loss,val_loss,eps_error,seconds,bands_1,bands_2,bands_3"
    )
    assert lines == [
        "train,7,1,56,1.0,0.001,0.5,0,,,,,,,,,",
        "epoch,7,1,56,,0.001,,,,,1.0,1.1,0.1,0.1,,,",
        "train,14,2,112,0.5,0.001,0.5,0,,,,,,,,,",
        "epoch,14,2,112,,0.001,,,,,0.5,0.55,0.25,0.1,,,",
        "train,20,2.5,80,,1e-05,,,,,,,,,,,",
        "epoch,21,3,,,,,,,,,,0.125,,0.5,,",
    ]
    assert shown.err == f"2 lines of {run.metrics} cannot be read and are left out\n"


def test_a_run_without_curves_is_a_head_alone(home: Home, cli: Cli) -> None:
    make_run(home, "r")
    shown = cli("runs", "metrics", "r")
    assert (shown.code, shown.err, len(shown.out.splitlines())) == (0, "", 1)


def test_no_runs_yet(cli: Cli) -> None:
    shown = cli("runs", "list")
    assert (shown.code, shown.out) == (0, "")
    assert "ddpm-tui demo" in shown.err
    assert cli("runs", "list", "--json").json == []


def test_runs_show_with_lineage_and_the_parents_history(there: Home, cli: Cli) -> None:
    branched = cli("runs", "branch", "r@e2", "--set", "optim.lr=1e-6", "--name", "slow")
    assert branched.out.splitlines()[0] == "run 'slow' branches from r@14 (epoch 2)"
    assert "optim.lr: 0.001 → 1e-06" in branched.out
    publish_at(there.run("slow"), 21)
    shown = cli("runs", "show", "slow").out
    assert "branched from  r@14" in shown
    assert "changes        optim.lr: 0.001 → 1e-06" in shown
    assert shown.count("of its parent") == 2
    facts = cli("runs", "show", "slow", "--json").json
    assert facts["parent"] == "r@14"
    assert [epoch["epoch"] for epoch in facts["history"]] == [1, 2]
    assert facts["record"]["profile"]["optim"]["lr"] == 1e-6
    assert cli("runs", "list").out.splitlines()[0].split()[-1] == "FROM"


def test_runs_show_of_a_run_that_has_not_begun(home: Home, cli: Cli) -> None:
    trained_run(home, "new", 0)
    shown = cli("runs", "show", "new")
    assert shown.code == 0
    assert "epoch          0 of 4" in shown.out or "epoch" in shown.out


def test_runs_compare(there: Home, cli: Cli) -> None:
    trained_run(there, "q", 2, optim={"lr": 0.5}, objective={"prediction": "eps"})
    facts = cli("runs", "compare", "r", "q", "--json").json
    assert facts["settings"]["optim.lr"] == [1e-3, 0.5]
    assert facts["epochs"]["2"][0]["val_loss"] == pytest.approx(0.55)
    assert facts["epochs"]["3"][1]["val_loss"] is None
    shown = cli("runs", "compare", "r", "q")
    assert "optim.lr" in shown.out
    assert "only the eps error is comparable" in shown.err
    assert "evenly chosen" not in shown.out


def test_a_table_that_leaves_epochs_out_says_so(home: Home, cli: Cli) -> None:
    for name in ("long", "longer"):
        extend(make_run(home, name), range(1, 33))
    assert "(15 of 32 epochs, evenly chosen; --json has all)" in cli("runs", "compare", "long", "longer").out
    assert "(30 of 32 epochs, evenly chosen; --json has all)" in cli("runs", "show", "long").out


def test_renaming_deleting_restoring(there: Home, cli: Cli) -> None:
    assert cli("runs", "rename", "r", "s").code == 0
    assert cli("runs", "delete", "s").code == 0
    assert run_names(there) == []
    assert cli("runs", "restore", "s").code == 0
    assert steps(there, "s") == [7, 14, 21, 28]


def test_a_run_that_the_queue_needs_is_neither_renamed_nor_deleted(there: Home, cli: Cli) -> None:
    store = QueueStore.open(there.queue_db)
    store.insert(Job("000012", "train", "r", args={"to_epoch": 50}))
    store.close()
    for arguments in (("rename", "r", "s"), ("delete", "r")):
        ended = cli("runs", *arguments)
        assert ended.code == 1
        assert "job 12 (train r to epoch 50, queued) — " in ended.error
        assert "ddpm-tui queue cancel 12" in ended.error
    assert run_names(there) == ["r"]


def test_deleting_several_checks_all_names_first(there: Home, cli: Cli) -> None:
    assert cli("runs", "delete", "r", "q").code == 1
    assert run_names(there) == ["r"]


# checkpoints


def test_checkpoints_list_and_show(there: Home, cli: Cli) -> None:
    cli("checkpoints", "tag", "r@e1", "nice")
    there.run("r").checkpoint(28).model.unlink()
    rows = cli("checkpoints", "list", "r", "--json").json
    assert [row["step"] for row in rows] == [7, 14, 21, 28]
    assert rows[0]["tags"] == ["nice"]
    assert [row["best"] for row in rows] == [False, False, True, False]
    assert "model.safetensors is missing" in rows[3]["problem"]
    shown = cli("checkpoints", "list", "r").out.splitlines()
    assert shown[1].split()[0] == "7"
    assert shown[1].endswith("nice")
    assert shown[2].endswith("chunk")
    assert "damaged" in shown[4]
    one = cli("checkpoints", "show", "r@best", "--json").json
    assert (one["step"], one["run"], one["epoch"]) == (21, "r", 3)
    assert "r@21" in cli("checkpoints", "show", "r@best").out


def test_verify_says_which_and_exits_1(there: Home, cli: Cli) -> None:
    assert cli("checkpoints", "verify", "r").code == 0
    ema = there.run("r").checkpoint(14).ema
    ema.write_bytes(ema.read_bytes()[:-1] + b"\x55")
    ended = cli("checkpoints", "verify", "r")
    assert ended.code == 1
    assert [line.split(":")[1].strip()[:5] for line in ended.out.splitlines()].count("whole") == 3
    assert "14: " in ended.out
    assert "altered" in ended.out
    assert cli("checkpoints", "verify", "r@21").code == 0
    assert cli("checkpoints", "verify", "r@14", "--json").json[0]["step"] == 14


def test_tagging(there: Home, cli: Cli) -> None:
    assert cli("checkpoints", "tag", "r@best", "nice").out == "r@21 is now r@nice\n"
    assert cli("checkpoints", "show", "r@nice", "--json").json["step"] == 21
    assert cli("checkpoints", "untag", "r", "nice").code == 0
    assert read_tags(there.run("r")) == {}


def test_deleting_a_checkpoint_and_back(there: Home, cli: Cli) -> None:
    assert cli("checkpoints", "delete", "r@7", "r@latest").code == 0
    assert steps(there) == [14, 21]
    assert cli("checkpoints", "restore", "r@28").code == 0
    assert steps(there) == [14, 21, 28]


def test_a_newest_checkpoint_that_is_damaged_is_passed_over_aloud(
    there: Home, cli: Cli, tmp_path: Path
) -> None:
    """A bit of its manifest: `latest` is the one before it, and every command that takes it says so."""
    manifest = there.run("r").checkpoint(28).manifest
    content = bytearray(manifest.read_bytes())
    content[content.index(b"0.25")] ^= 1
    manifest.write_bytes(content)
    said = "checkpoint 28 is damaged and is skipped: the manifest of checkpoint 00000028 "
    for words in (
        ("checkpoints", "show", "r@latest"),
        ("checkpoints", "tag", "r", "good"),
        ("checkpoints", "export", "r@latest", str(tmp_path / "x")),
        ("runs", "branch", "r"),
    ):
        ended = cli(*words)
        assert (ended.code, ended.err.startswith(said)) == (0, True), (words, ended)
    assert read_tags(there.run("r")) == {"good": 21}
    assert cli("checkpoints", "show", "r@21").err == ""
    assert cli("checkpoints", "show", "r@28").error.startswith("error: the manifest of checkpoint 00000028")


def test_a_damaged_checkpoint_can_be_deleted(there: Home, cli: Cli) -> None:
    there.run("r").checkpoint(28).manifest.write_text("{")
    assert cli("checkpoints", "delete", "r@28").code == 0
    assert steps(there) == [7, 14, 21]


def test_prune_keeps_what_it_promises(there: Home, cli: Cli) -> None:
    """Kept: 7 (keep_epochs), 14 and 28 (chunk ends), 21 (best), 30 (a branch begins), 33 and 34 (the newest)."""
    run = there.run("r")
    for step in (30, 31, 32, 33, 34):
        publish_at(run, step)
    cli("runs", "branch", "r@30", "--name", "child")
    planned = cli("checkpoints", "prune", "r", "--dry-run", "--json").json
    assert planned["steps"] == [31, 32]
    assert planned["done"] is False
    assert len(steps(there)) == 9
    ended = cli("checkpoints", "prune", "r")
    assert (ended.code, len(steps(there))) == (2, 9), "nobody could be asked"
    assert cli("checkpoints", "prune", "r", "--yes").code == 0
    assert steps(there) == [7, 14, 21, 28, 30, 33, 34]
    assert cli("checkpoints", "restore", "r@31").code == 0
    assert cli("checkpoints", "prune", "r", "--keep-last", "9").out == "nothing to prune\n"


def test_export(there: Home, cli: Cli, tmp_path: Path) -> None:
    said = cli("checkpoints", "export", "r@best", str(tmp_path / "out"))
    assert said.code == 0
    assert f"`ddpm-tui sample {tmp_path / 'out'}` draws from it" in said.out
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "README.md",
        "check.json",
        "export.json",
        "model.safetensors",
        "profile.toml",
    ]
    card = (tmp_path / "out" / "README.md").read_text()
    assert "license: unknown" in card
    assert "every picture is the same" in card
    assert json.loads((tmp_path / "out" / "export.json").read_text())["step"] == 21
    assert cli("profiles", "validate", str(tmp_path / "out" / "profile.toml")).code == 0


# trash


def test_trash(there: Home, cli: Cli) -> None:
    assert "the trash is empty" in cli("trash", "list").err
    assert cli("trash", "restore").error == "error: the trash is empty"
    cli("checkpoints", "delete", "r@7")
    cli("checkpoints", "delete", "r@14")
    listed = cli("trash", "list", "--json").json
    assert [(row["what"], row["kind"]) for row in listed] == [("r@14", "checkpoint"), ("r@7", "checkpoint")]
    assert listed[0]["bytes"] > 0
    assert "r@7" in cli("trash", "list").out
    assert cli("trash", "restore").out.startswith("r@14 is back")
    assert cli("trash", "restore", "r@7").code == 0
    assert steps(there) == [7, 14, 21, 28]
    cli("checkpoints", "delete", "r@7")
    listed_as = " ".join(cli("trash", "list").out.split()[-2:])
    assert cli("trash", "purge", "r@7", "--yes").out == f"{listed_as} freed\n"
    assert cli("trash", "list", "--json").json == []
    assert load_run(there, "r").name == "r"
