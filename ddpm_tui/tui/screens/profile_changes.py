"""The profiles screen's changes on the disk, in threads, each with its message and its undo."""

import asyncio
import contextlib
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from ddpm_tui.editor import edited
from ddpm_tui.tui.state.shell import line
from engine.base.errors import UserError

if TYPE_CHECKING:
    from ddpm_tui.tui.app import DdpmApp
    from ddpm_tui.tui.state.profile_facts import ProfileEntry


class ProfileChanges:
    """`changed` is called after every change and after every undo, with the profile it was about."""

    def __init__(self, app: "DdpmApp", changed: Callable[[str], None]) -> None:
        self.app = app
        self.changed = changed

    def check_free(self, name: str) -> None:
        """Raise UserError if the user has such a profile, or if the name is not allowed."""
        from engine.config.store import check_new_name

        check_new_name(self.app.home, name)

    async def save(self, name: str, text: str) -> None:
        """Save as the user's profile `name`, new or in place of the old one. Raises ProfileError."""
        from engine.config.store import profile_text, save_profile, write_profile

        path = self.app.home.user_profile(name)
        before = profile_text(path) if path.exists() else None
        await asyncio.to_thread(save_profile, self.app.home, name, text)
        self.app.say(f"saved {name}; {self.app.key('profiles.train')} trains it")

        async def back() -> None:
            if before is None:
                path.unlink(missing_ok=True)
            else:
                write_profile(path, before)
            self.changed(name)

        again = partial(self.save, name, text)
        self.app.undo.push(f"{name} is as it was", back, does=f"{name} is saved", again=again)
        self.changed(name)

    async def delete(self, entry: "ProfileEntry") -> None:
        from engine.base.trash import discard, restore

        trashed = await asyncio.to_thread(discard, self.app.home, "profile", entry.name, entry.path)
        self.app.echo(line("profiles", "delete", entry.name))
        self.app.say(f"profile {entry.name} is in the trash; {self.app.key('app.undo')} brings it back")

        async def back() -> None:
            await asyncio.to_thread(restore, trashed)
            self.changed(entry.name)

        again = partial(self.delete, entry)
        does = f"profile {entry.name} is deleted"
        self.app.undo.push(f"profile {entry.name} is back", back, does=does, again=again)
        self.changed(entry.name)

    def edit(self, entry: "ProfileEntry") -> str | None:
        """Open a copy of it in the user's editor, which has the terminal meanwhile.

        Returns a text that can be saved, None if nothing was changed. Raises UserError; a text with errors is
        kept as a draft."""
        from engine.config.store import ProfileError, parse_profile, profile_text

        before = profile_text(entry.path)
        try:
            with self.app.suspend():
                text = edited(before, ".toml")
        finally:
            self.app.action_redraw()
        if text is None:
            return None
        try:
            parse_profile(text, entry.path.name)
        except ProfileError as error:
            # Beside the profiles, in a place that no list reads.
            draft = self.app.home.profiles / f"{entry.name}.toml.draft"
            with contextlib.suppress(OSError):
                draft.write_text(text, encoding="utf-8")
            raise UserError(f"not saved: {error}", f"your text is in {draft}") from None
        return text
