"""`ddpm-tui data`: the data sets, their sources, and their packed forms."""

from dataclasses import asdict

import click

from ddpm_tui.cli import complete
from ddpm_tui.cli.common import home, json_option, note, print_facts, print_json, print_table, say
from ddpm_tui.cli.data_add import add
from ddpm_tui.cli.data_labels import SHOWN, label_facts, labels, print_labels
from ddpm_tui.cli.data_packed import REFUSED, form, print_packed, refused
from ddpm_tui.cli.lazy import NounGroup
from ddpm_tui.words import plural, size


@click.group(cls=NounGroup)
def data() -> None:
    """Data sets: folders and zips of pictures, decoded, cropped and scaled once.

    The built-in data set "faces" is drawn by the program and always available. If a run needs another size or crop,
    the data is packed when the run starts.
    """


data.add_command(add)
data.add_command(labels)


@data.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List all data sets and their packed forms."""
    from engine.data.catalog import list_sources, packed_folders

    sources = list_sources(home(), complain=note)
    packed = {s.name: [m for _, m in packed_folders(home(), s.name) if m] for s in sources}
    if as_json:
        print_json([{**asdict(s), "packed": [asdict(m) for m in packed[s.name]]} for s in sources])
        return
    print_table(
        ["DATA SET", "PICTURES", "KIND", "PACKED AT", "WHERE"],
        [
            [
                s.name,
                f"{s.pictures:,}",
                s.kind,
                ", ".join(map(form, packed[s.name])) or "–",
                s.path or "drawn by the program",
            ]
            for s in sources
        ],
        right={"PICTURES"},
    )


@data.command()
@click.argument("name", shell_complete=complete.datasets)
@json_option
def show(name: str, as_json: bool) -> None:
    """Show one data set: its location, changes to it, and its packed forms."""
    from engine.data.catalog import check_source, load_source, packed_folders
    from engine.data.labelling import source_labels
    from engine.data.left_out import LeftOut

    source = load_source(home(), name)
    problem = check_source(home(), name) if source.kind != "built-in" else None
    packed = packed_folders(home(), name, whole_only=False)
    if as_json:
        entries = [{"folder": str(f.path), **(asdict(m) if m else {"unfinished": True})} for f, m in packed]
        print_json({**asdict(source), "problem": problem, "packed": entries, "labels": label_facts(name)})
        return
    print_facts(
        [
            ("data set", source.name),
            ("kind", source.kind),
            ("where", source.path or "drawn by the program"),
            ("pictures", f"{source.pictures:,}"),
            ("bytes", size(source.total_bytes) if source.total_bytes else ""),
            ("CelebA", "yes" if source.celeba else ""),
            ("left out", LeftOut.from_json(source.left_out).in_words()),
            ("excluded", ", ".join(source.exclude)),
            (
                "split by",
                source.partition or ("" if source.kind == "built-in" else "name: 2 % held out, at least 2"),
            ),
            ("", source.partition_remark),
            ("changed", problem or ""),
        ]
    )
    if (table := source_labels(home(), name)) is not None:
        print_labels(table, SHOWN)
    for folder, manifest in packed:
        if manifest:
            print_packed(folder, manifest)
        else:
            say(
                f"{REFUSED} {folder.report}"
                if refused(folder)
                else f"{'damaged' if folder.manifest.exists() else 'unfinished'}: {folder.path}"
            )


@data.command()
@click.argument("name", shell_complete=complete.datasets)
@json_option
@click.pass_context
def verify(ctx: click.Context, name: str, as_json: bool) -> None:
    """Check every packed byte, and check whether the originals have changed. Exit code 1 if data is damaged."""
    from engine.data.catalog import check_source, load_source, packed_folders
    from engine.data.manifest import remarks, verify_packed

    source = load_source(home(), name)
    changed = check_source(home(), name) if source.kind != "built-in" else None
    manifests = dict(packed_folders(home(), name, whole_only=False))
    folders = list(manifests)
    # The manifest is written last: without one, packing is unfinished, but nothing is damaged.
    unfinished = [folder for folder in folders if not folder.manifest.exists()]
    found = [(folder, verify_packed(folder)) for folder in folders if folder not in unfinished]
    said = {folder: remarks(m) if m else [] for folder, m in manifests.items()}
    failed = any(problems for _, problems in found)
    if as_json:
        print_json(
            {
                "name": name,
                "changed": changed,
                "packed": [
                    {"folder": str(f.path), "problems": problems, "remarks": said[f]} for f, problems in found
                ],
                "unfinished": [str(f.path) for f in unfinished],
            }
        )
        ctx.exit(int(failed))
    if changed:
        note(f"warning: {changed}")
    for folder, problems in found:
        for problem in problems:
            note(f"error: {problem}")
        for line in said[folder]:
            note(f"{folder.path.name}: {line}")
        say(
            f"{folder.path.name}: {'damaged; delete the folder and it is packed again' if problems else 'whole'}"
        )
    for folder in unfinished:
        way_on = (
            f"{REFUSED} {folder.report}"
            if refused(folder)
            else "unfinished; it continues when it is packed again"
        )
        say(f"{folder.path.name}: {way_on}")
    if not folders:
        say(f"{name} is not packed yet")
    ctx.exit(int(failed))


@data.command()
@click.argument("name", shell_complete=complete.datasets)
def remove(name: str) -> None:
    """Forget a data set. Its packed data goes to the trash; the original pictures stay in place."""
    from engine.data.catalog import remove_source
    from engine.runs.pictures import runs_on

    gone, runs = remove_source(home(), name), runs_on(home(), name)
    say(
        f"{name} is forgotten; {plural(len(gone), 'folder')} moved to the trash (trash purge frees the space)"
    )
    if runs:
        one = len(runs) == 1
        note(f"{'run' if one else 'runs'} {', '.join(runs)} began with it and cannot continue without it")
