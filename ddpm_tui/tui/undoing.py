"""The app's keys for taking back and doing again. The changes are kept in `state.undo`."""

from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any

from ddpm_tui.tui.state.undo import Undo, UndoableChange
from engine.base.errors import DdpmError

if TYPE_CHECKING:
    from ddpm_tui.tui.state.store import SnapshotStore


class Undoing:
    """Comes before App in a class."""

    undo: Undo
    store: "SnapshotStore"

    if TYPE_CHECKING:

        def say(self, text: str, tone: str = "good") -> None: ...
        def report(self, error: BaseException, where: str) -> None: ...
        def key(self, key_id: str) -> str: ...
        def in_turn(self, work: Coroutine[Any, Any, None]) -> None: ...

    def action_undo(self) -> None:
        change = self.undo.last
        if change is None:
            self.say("nothing to undo", "dim")
        else:
            self.in_turn(self._undo(change, asks=not self.undo.expected))

    async def _undo(self, change: UndoableChange, asks: bool) -> None:
        """Refuse an impossible undo before asking; ask if another change may be meant."""
        from ddpm_tui.tui.screens.dialogs import Confirm

        if not await self._can(change.check, change):
            return
        if asks:
            why = "It was done on another screen or a while ago, or another action failed since."
            question = Confirm(f"Undo: {change.said}?", why, "undo it", "keep it as it is")
            await self.push_screen(  # type: ignore[attr-defined]
                question, lambda yes: self.in_turn(self._take_back(change)) if yes else None
            )
        else:
            await self._take_back(change)

    async def _take_back(self, change: UndoableChange) -> None:
        if await self._can(change.back, change):
            self.undo.taken_back(change)
            await self.store.caught_up()
            more = f"; {self.key('app.redo')} does it again" if self.undo.next_again else ""
            self.say(f"undone: {change.said}{more}")

    async def _can(self, do: Callable[[], object] | None, change: UndoableChange) -> bool:
        """Do it; if it fails say why, and forget the change unless it may work later."""
        from engine.client.sync import NotRunningError

        try:
            work = do() if do else None
            if isinstance(work, Awaitable):
                await work
        except NotRunningError as error:
            self.say(f"cannot undo now: {error}", "bad")
        except DdpmError as error:
            self.undo.drop(change)
            self.say(f"cannot undo: {error}", "bad")
        except Exception as error:
            self.undo.drop(change)
            self.report(error, "undo")
        else:
            return True
        return False

    def action_redo(self) -> None:
        change = self.undo.take_again()
        if change is None:
            self.say("nothing to redo", "dim")
        else:
            self.in_turn(self._redo(change))

    async def _redo(self, change: UndoableChange) -> None:
        assert change.again is not None
        try:
            with self.undo.redoing():
                await change.again()
        except DdpmError as error:
            self.say(f"cannot redo: {error}", "bad")
        except Exception as error:
            self.report(error, "redo")
