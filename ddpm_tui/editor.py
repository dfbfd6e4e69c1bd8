"""A text in the user's own editor. Knows nothing of what the text is."""

import click

from engine.base.errors import UserError


def edited(text: str, extension: str) -> str | None:
    """What became of `text` in $VISUAL or $EDITOR; None where it was left as it is. Raises UserError."""
    try:
        found = click.edit(text, extension=extension)
    except click.ClickException as error:
        why = error.message
    except (OSError, ValueError) as error:  # it took the file away, or left no text in it
        why = f"the editor left no text ({error})"
    else:
        if found is None or found.strip():
            return None if found == text else found
        why = "the editor left an empty text"
    raise UserError(f"nothing was changed: {why}", "set EDITOR to one that works here")
