"""The console script, and `python -m ddpm_tui`.

Nothing is imported before Ctrl-C is waited for: what the command line needs takes longer to import than to press it.
"""

import sys


def main() -> None:
    """As `ddpm_tui.cli.main.main`; Ctrl-C while that is imported, or after it, ends quietly with 130."""
    try:
        from ddpm_tui.cli.main import main as command_line

        command_line()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
