"""`ddpm-tui profiles`."""

import os
import stat
from pathlib import Path

import pytest

from engine.base.home import Home
from engine.config.store import load_profile
from tests.ddpm_tui.cli.conftest import Cli
from tests.torchless import trained_run


def test_list(home: Home, cli: Cli) -> None:
    (home.profiles / "mine.toml").write_text('description = "my own"\n')
    (home.profiles / "bad.toml").write_text("[data]\nsize = 3\n")
    facts = {entry["name"]: entry for entry in cli("profiles", "list", "--json").json}
    assert facts["mine"]["origin"] == "user"
    assert facts["celeba32-paper"]["epochs"] == 150
    assert "data.size" in facts["bad"]["problem"]
    shown = cli("profiles", "list").out
    assert "my own" in shown
    assert {line.split()[1] for line in shown.splitlines() if line.startswith(("mine", "bad"))} == {"yours"}
    assert "cannot be used" in shown


def test_show_prints_the_file_and_warns_apart(home: Home, cli: Cli) -> None:
    shown = cli("profiles", "show", "celeba32-paper")
    assert "# the notebook: 1e-4 throughout" in shown.out
    assert shown.err.startswith("warning: diffusion: the last x_t still holds the picture")
    full = cli("profiles", "show", "demo", "--set", "optim.lr=0.25", "--json").json
    assert full["profile"]["optim"]["lr"] == 0.25
    assert "lr = 0.25" in cli("profiles", "show", "demo", "--set", "optim.lr=0.25").out


def test_new_from_defaults_and_from_another(home: Home, cli: Cli) -> None:
    assert cli("profiles", "new", "plain", "--set", "data.size=64").code == 0
    assert load_profile(home, "plain").data.size == 64
    made = cli(
        "profiles",
        "new",
        "slow",
        "--from",
        "celeba32-paper",
        "--set",
        "optim.lr=1e-6",
        "--set",
        "data.limit=9",
    )
    assert made.out.strip() == str(home.user_profile("slow"))
    text = home.user_profile("slow").read_text()
    assert "# neither text nor notebook mirrors" in text, "comments stay"
    profile = load_profile(home, "slow")
    assert (profile.optim.lr, profile.data.limit, profile.objective.loss) == (1e-6, 9, "huber")


def test_validate(home: Home, cli: Cli) -> None:
    everything = cli("profiles", "validate")
    assert everything.code == 0
    assert "demo: valid\n" in everything.out
    assert "warning: celeba32-paper" in everything.err
    (home.profiles / "bad.toml").write_text("[data]\nsize = 3\n\n[optim]\nlr = -1.0\n")
    bad = cli("profiles", "validate", "bad")
    assert bad.code == 1
    assert [line.split("bad.toml")[1][:2] for line in bad.err.splitlines()] == [":2", ":5"]
    facts = cli("profiles", "validate", "bad", "demo", "--json")
    assert (facts.code, len(facts.json[0]["problems"]), facts.json[1]["problems"]) == (1, 2, [])


def test_diff(home: Home, cli: Cli) -> None:
    rows = cli("profiles", "diff", "celeba32-paper", "celeba64-paper", "--json").json
    assert {"key": "data.size", "celeba32-paper": 32, "celeba64-paper": 64} in rows
    shown = cli("profiles", "diff", "celeba32-paper", "celeba64-paper").out
    assert "optim.lr_steps" in shown
    assert "{epoch = 101, lr = 1e-06}" in shown
    assert cli("profiles", "diff", "demo", "demo").out == "no difference\n"


def test_diff_takes_runs(home: Home, cli: Cli) -> None:
    trained_run(home, "r", 1)
    assert any(row["key"] == "data.dataset" for row in cli("profiles", "diff", "demo", "r", "--json").json)


def editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    path = tmp_path / "editor"
    path.write_text(f"#!/bin/sh\nset -e\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("VISUAL", str(path))


def test_edit_copies_a_shipped_profile(
    home: Home, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    editor(tmp_path, monkeypatch, "sed -i 's/^epochs = .*/epochs = 77/' \"$1\"")
    before = load_profile(home, "celeba32").training.epochs
    assert before != 77
    assert cli("profiles", "edit", "celeba32").out.strip() == str(home.user_profile("celeba32"))
    assert load_profile(home, "celeba32").training.epochs == 77


def test_a_copy_says_what_it_was_made_from(home: Home, cli: Cli) -> None:
    cli("profiles", "new", "slow", "--from", "demo", "--set", "optim.lr=1e-4", "--set", "data.flip=false")
    cli("profiles", "new", "same", "--from", "demo")
    cli("profiles", "new", "own", "--from", "demo", "--description", "for the attic")
    cli("profiles", "new", "bare", "--set", "optim.lr=1e-4")
    said = {p["name"]: p["description"] for p in cli("profiles", "list", "--json").json}
    assert set(said["slow"].removeprefix("demo with ").split()) == {"optim.lr=0.0001", "data.flip=false"}
    assert (said["same"], said["own"]) == ("a copy of demo", "for the attic")
    assert said["bare"] == "the defaults with optim.lr=0.0001"
    assert "# " in home.user_profile("slow").read_text()


def test_edit_refuses_what_is_wrong_and_changes_nothing(
    home: Home, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    editor(tmp_path, monkeypatch, "echo 'magic = 3' >> \"$1\"")
    ended = cli("profiles", "edit", "demo")
    assert ended.code == 1
    assert "magic: unknown key" in ended.err
    assert "was not changed" in ended.err.splitlines()[-1]
    kept = home.profiles / "demo.toml.edited"
    assert str(kept) in ended.err
    assert kept.read_text().endswith("magic = 3\n")
    assert not home.user_profile("demo").exists()


def test_edit_without_a_change(home: Home, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    editor(tmp_path, monkeypatch, "true")
    assert cli("profiles", "edit", "demo").out == "nothing was changed\n"
    assert list(home.profiles.iterdir()) == []


def test_edit_with_an_editor_that_leaves_nothing(
    home: Home, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli("profiles", "new", "mine", "--set", "data.size=64")
    editor(tmp_path, monkeypatch, ': > "$1"')
    assert "left an empty text" in cli("profiles", "edit", "mine").error
    assert load_profile(home, "mine").data.size == 64


@pytest.mark.parametrize("program", ["false", "/no/such/editor"])
def test_edit_with_an_editor_that_fails(
    home: Home, cli: Cli, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    monkeypatch.setenv("VISUAL", program)
    ended = cli("profiles", "edit", "demo")
    assert ended.code == 1
    assert ended.error.startswith(f"error: nothing was changed: {program}: ")
    assert ended.error.endswith(" — set EDITOR to one that works here")
    assert not home.user_profile("demo").exists()


def test_a_deleted_profile_has_a_size(home: Home, cli: Cli) -> None:
    cli("profiles", "new", "mine")
    cli("profiles", "delete", "mine")
    assert cli("trash", "list").out.splitlines()[1].split()[-1] == "kB"


def test_edit_of_a_file_stays_in_its_place(
    home: Home, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.toml"
    path.write_text("[data]\nsize = 16\n")
    editor(tmp_path, monkeypatch, "sed -i 's/16/32/' \"$1\"")
    assert cli("profiles", "edit", str(path)).code == 0
    assert path.read_text() == "[data]\nsize = 32\n"
    assert os.listdir(home.profiles) == []


def test_delete_moves_to_the_trash_and_restore_brings_back(home: Home, cli: Cli) -> None:
    for name in ("mine", "demo"):
        home.user_profile(name).write_text('description = "my own"\n')
    deleted = cli("profiles", "delete", "mine", "demo")
    assert deleted.code == 0
    assert "`ddpm-tui profiles restore mine` brings it back" in deleted.out
    assert not home.user_profile("mine").exists()
    assert load_profile(home, "demo").description != "my own", "the shipped one is seen again"
    assert cli("profiles", "restore", "mine").code == 0
    assert load_profile(home, "mine").description == "my own"
    again = cli("profiles", "restore", "mine")
    assert (again.code, "demo" in again.err) == (1, True)


def test_delete_refuses_shipped_and_unknown_ones_before_it_touches_any(home: Home, cli: Cli) -> None:
    home.user_profile("mine").write_text('description = "my own"\n')
    shipped = cli("profiles", "delete", "mine", "celeba32")
    assert shipped.code == 1
    assert "celeba32 is included with the program" in shipped.err
    unknown = cli("profiles", "delete", "mine", "celeba3")
    assert unknown.code == 1
    assert "celeba32" in unknown.err
    assert home.user_profile("mine").exists()


# Names with an ending.


@pytest.mark.parametrize("name", ["mine.toml", "mine.TOML"])
def test_a_profile_is_named_without_the_ending(home: Home, cli: Cli, name: str) -> None:
    refused = cli("profiles", "new", name)
    assert (refused.code, refused.error.endswith("— call it 'mine'")) == (1, True)
    assert list(home.profiles.iterdir()) == []


@pytest.mark.parametrize(
    "call", ["profiles show", "profiles edit", "profiles estimate", "train", "profiles delete"]
)
def test_a_profile_of_that_name_is_pointed_at(home: Home, cli: Cli, call: str) -> None:
    cli("profiles", "new", "mine")
    assert "'mine'" in cli(*call.split(), "mine.toml").error


def test_a_profile_that_was_named_with_the_ending_can_be_reached(
    home: Home, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home.profiles / "old.toml.toml").write_text("[data]\nsize = 16\n")
    assert "size = 16" in cli("profiles", "show", "old.toml").out
    editor(tmp_path, monkeypatch, "sed -i 's/16/32/' \"$1\"")
    assert cli("profiles", "edit", "old.toml").code == 0
    assert load_profile(home, "old.toml").data.size == 32
    assert cli("profiles", "new", "better", "--from", "old.toml").code == 0
    assert cli("profiles", "delete", "old.toml").code == 0


def test_a_file_whose_name_no_profile_could_have_is_edited_in_its_place(
    home: Home, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = home.profiles / "my own.toml"
    path.write_text("[data]\nsize = 16\n")
    editor(tmp_path, monkeypatch, "sed -i 's/16/32/' \"$1\"")
    assert cli("profiles", "edit", "my own").code == 0
    assert path.read_text() == "[data]\nsize = 32\n"


# Files that are none.

ODD = {
    "latin1": "# Gr\u00fc\u00dfe\n[optim]\nlr = 1e-3\n".encode("latin-1"),
    "utf16": "[optim]\nlr = 1e-3\n".encode("utf-16"),
    "nul": b"[optim]\nlr = 1e-3\0\n",
    "digits": b"[training]\nepochs = " + b"9" * 5000,
    "hexadecimal": b"[training]\nepochs = 0x" + b"f" * 5000,
    "brackets": b"description = " + b"[" * 3000,
    "braces": b"description = " + b"{a=" * 3000,
    "keys": b"[a" + b".a" * 5000 + b"]\nx = 1",
    "dotted": b"a" + b".a" * 5000 + b" = 1",
    "date": b"[data]\ndataset = 2024-01-01\n",
    "no-date": b"[data]\ndataset = 2024-13-41\n",
    "twice": b"[optim]\nlr = 1e-3\nlr = 1e-4\n",
    "long-key": b"[optim]\n" + b"k" * 100_000 + b" = 1\n",
    "long-text": b"[data]\ndataset = '" + b"k" * 100_000 + b"'\n",
    "large": b"# " + b"x" * (2 << 20),
}


def _spoil(home: Home) -> None:
    for name, content in ODD.items():
        (home.profiles / f"{name}.toml").write_bytes(content)
    os.mkfifo(home.profiles / "pipe.toml")
    (home.profiles / "folder.d.toml").mkdir()
    (home.profiles / "loop.toml").symlink_to("loop.toml")
    (home.profiles / "dead.toml").symlink_to("nowhere")
    (home.profiles / "endless.toml").symlink_to("/dev/zero")


NO_TEXT = ("latin1", "utf16", "large", "pipe", "folder.d", "loop", "dead", "endless")
BAD = [*ODD, "pipe", "folder.d", "loop", "dead", "endless"]


@pytest.mark.parametrize("name", BAD)
def test_an_odd_file_is_one_line(home: Home, cli: Cli, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    _spoil(home)
    monkeypatch.setenv("EDITOR", "true")
    commands = ["profiles show", "train", "profiles new x --from"]
    if name in NO_TEXT:  # what is wrong with a text is what an editor is for
        commands.append("profiles edit")
    for command in commands:
        ended = cli(*command.split(), name)
        assert ended.code == 1, command
        assert f"{name}.toml" in ended.error, command
        assert len(ended.error) < 700, command
    validated = cli("profiles", "validate", name)
    assert validated.code == 1
    assert all(len(line) < 700 for line in validated.err.splitlines())
    assert not home.user_profile("x").exists()


def test_odd_files_do_not_take_the_others_down(home: Home, cli: Cli) -> None:
    from ddpm_tui.cli.complete import _profile_names
    from ddpm_tui.cli.doctor import profiles as looked_at
    from ddpm_tui.tui.state.profile_facts import ProfileReader
    from ddpm_tui.tui.state.reading import profile_names

    _spoil(home)
    good = {"demo", "celeba32"}
    listed = {entry["name"]: entry.get("problem", "") for entry in cli("profiles", "list", "--json").json}
    assert {name for name, problem in listed.items() if problem} == set(BAD)
    assert good <= set(listed)
    validated = cli("profiles", "validate", "--json")
    assert {e["name"] for e in validated.json if e["problems"]} == set(BAD)
    assert sum(finding.level == "problem" for finding in looked_at(home)) == len(BAD)
    assert good <= set(_profile_names())
    shown = {entry.name: entry.problems for entry in ProfileReader(home).read()}
    assert {name for name, problems in shown.items() if problems} >= {*ODD, "pipe", "folder.d", "endless"}
    assert good <= set(shown)
    assert good <= {entry.name for entry in profile_names(home)}


@pytest.mark.parametrize("content", [b"\xef\xbb\xbf[optim]\nlr = 1e-4\n", b"[optim]\r\nlr = 1e-4\r\n"])
def test_a_byte_order_mark_and_dos_lines_are_taken(
    home: Home, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    (home.profiles / "bom.toml").write_bytes(content)
    assert cli("profiles", "validate", "bom").out == "bom: valid\n"
    assert cli("profiles", "new", "copy", "--from", "bom", "--set", "data.size=64").code == 0
    assert load_profile(home, "copy").optim.lr == 1e-4
    editor(tmp_path, monkeypatch, "sed -i 's/1e-4/1e-5/' \"$1\"")
    assert cli("profiles", "edit", "bom").code == 0
    assert load_profile(home, "bom").optim.lr == 1e-5


# Links.


@pytest.mark.parametrize("by", ["name", "path"])
def test_editing_a_link_changes_what_it_points_to(
    home: Home, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    target = tmp_path / "dotfiles" / "mine.toml"
    target.parent.mkdir()
    target.write_text("[data]\nsize = 16\n")
    link = home.profiles / "mine.toml"
    link.symlink_to(target)
    editor(tmp_path, monkeypatch, "sed -i 's/16/32/' \"$1\"")
    assert cli("profiles", "edit", "mine" if by == "name" else str(link)).code == 0
    assert link.is_symlink()
    assert target.read_text() == "[data]\nsize = 32\n"


def test_new_does_not_write_through_a_dead_link(home: Home, cli: Cli, tmp_path: Path) -> None:
    (home.profiles / "mine.toml").symlink_to(tmp_path / "elsewhere.toml")
    assert "already a profile of yours named 'mine'" in cli("profiles", "new", "mine").error
    assert not (tmp_path / "elsewhere.toml").exists()


def test_a_description_that_is_no_text(home: Home, cli: Cli) -> None:
    assert "description: is not UTF-8 text" in cli("profiles", "new", "x", "--description", "gr\udcfcn").error
    assert not home.user_profile("x").exists()
