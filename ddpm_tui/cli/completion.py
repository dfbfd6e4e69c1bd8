"""`ddpm-tui completion`: print the script that sets up completion in a shell."""

import os
from pathlib import Path

import click

from engine.base.errors import UserError

SHELLS = ("bash", "fish", "zsh")

# click's own script uses bash's words, but bash splits RUN@STEP and KEY=VALUE: take the words from the line instead,
# and remove from the answers the part before the word that bash will replace, $2.
BASH = """\
_ddpm_tui_completion() {
    local IFS=$' \\t\\n' words whole head type value response
    local line="${COMP_LINE:0:COMP_POINT}"
    read -ra words <<< "$line"
    [[ "$line" == *[[:space:]] ]] && words+=("")
    whole="${words[${#words[@]}-1]}"
    head="${whole%"$2"}"
    response=$(COMP_WORDS="${words[*]}" COMP_CWORD=$((${#words[@]} - 1)) _DDPM_TUI_COMPLETE=bash_complete "$1")
    COMPREPLY=()
    while IFS=, read -r type value; do
        case "$type" in
            dir) compopt -o dirnames ;;
            file) compopt -o default ;;
            plain) [[ "$value" == *[=@] ]] && compopt -o nospace; COMPREPLY+=("${value#"$head"}") ;;
        esac
    done <<< "$response"
}
complete -o nosort -F _ddpm_tui_completion ddpm-tui
"""


@click.command()
@click.argument("shell", type=click.Choice(SHELLS), required=False)
def completion(shell: str | None) -> None:
    """Print shell completion for bash, zsh or fish: commands, profiles, runs, checkpoints, settings.

    Without SHELL, the script is for the shell that you are using.

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
        raise UserError(f"there is no completion for the shell {shell!r}", "use bash, fish or zsh")
    if shell == "bash":
        click.echo(BASH, nl=False)
        return
    script = kind(cli, {}, "ddpm-tui", "_DDPM_TUI_COMPLETE")
    click.echo(script.source())
