"""`ddpm-tui completion`: prints the few lines that make a shell ask us what fits."""

import os
from pathlib import Path

import click

from engine.errors import UserError

SHELLS = ("bash", "fish", "zsh")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS), required=False)
def completion(shell: str | None) -> None:
    """Shell completion for bash, zsh or fish: commands, profiles, runs, checkpoints, settings.

    Prints what the shell has to read; SHELL is the one you are in where none is given.

    \b
    bash  eval "$(ddpm-tui completion bash)"    in ~/.bashrc
    zsh   eval "$(ddpm-tui completion zsh)"     in ~/.zshrc
    fish  ddpm-tui completion fish | source     in ~/.config/fish/config.fish
    """
    from click.shell_completion import get_completion_class

    from ddpm_tui.cli.main import cli

    shell = shell or Path(os.environ.get("SHELL", "")).name
    kind = get_completion_class(shell)
    if kind is None or shell not in SHELLS:
        raise UserError(f"there is no completion for the shell {shell!r}", "for bash, fish and zsh there is")
    script = kind(cli, {}, "ddpm-tui", "_DDPM_TUI_COMPLETE")
    # Not `script.source()`: click starts bash there to look at its version, and warns on stdout of older ones.
    click.echo(script.source_template % script.source_vars())
