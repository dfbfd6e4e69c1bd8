"""`ddpm-tui keys`: list the keys of the screen, as the user's keymap defines them."""

import click

from ddpm_tui.cli.common import home, json_option, note, print_json, print_table, say, say_text


@click.command()
@click.option("--markdown", is_flag=True, help="Print the default keys as Markdown tables.")
@json_option
def keys(markdown: bool, as_json: bool) -> None:
    """List every key of the screen and its action.

    keymap.toml in $DDPM_HOME changes keys: one table for each group, one line for each key, such as pause = "p" below
    [queue].
    """
    from ddpm_tui.tui.keymap import KEYS, read_keymap, shown

    mine, problems = ({}, []) if markdown else read_keymap(home().keymap)
    rows = [
        (key.id, ", ".join(shown(each.strip()) for each in mine.get(key.id, key.keys).split(",")), key.help)
        for key in KEYS
    ]
    for problem in problems:
        note(f"warning: {problem}")
    if as_json:
        print_json([{"id": name, "keys": pressed, "does": does} for name, pressed, does in rows])
    elif markdown:
        _markdown(rows)
    else:
        print_table(["ID", "KEYS", "DOES"], rows)


def _markdown(rows: list[tuple[str, str, str]]) -> None:
    group = ""
    for name, pressed, does in rows:
        if name.partition(".")[0] != group:
            group = name.partition(".")[0]
            say_text(f"\n## {group}\n\n| keys | id | does |\n| --- | --- | --- |")
        say(f"| {' '.join(f'`{key}`' for key in pressed.split(', '))} | {name} | {does} |")
