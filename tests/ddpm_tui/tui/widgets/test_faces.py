from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from textual.app import App, ComposeResult
from textual.widget import Widget

from ddpm_tui.draw.terminal import detect
from ddpm_tui.tui.widgets.face_grid import FaceGrid, FilmFrame, Filmstrip, split_sheet, thinned
from ddpm_tui.tui.widgets.faces import FaceView, TrajectoryPlayer
from ddpm_tui.tui.widgets.pictures import PictureWidget

LATIN = detect({"TERM": "dumb"}, True, "latin-1")


class Host(App[None]):
    def __init__(self, widget: Widget) -> None:
        super().__init__()
        self.widget = widget
        self.seen: list[object] = []

    def compose(self) -> ComposeResult:
        yield self.widget

    def on_mount(self) -> None:
        self.widget.focus()

    def on_face_grid_moved(self, message: FaceGrid.Moved) -> None:
        self.seen.append((type(message).__name__, message.index))

    def on_face_grid_chosen(self, message: FaceGrid.Chosen) -> None:
        self.seen.append((type(message).__name__, message.index))

    def on_filmstrip_chosen(self, message: Filmstrip.Chosen) -> None:
        self.seen.append(message.index)


def face(level: int, edge: int = 16) -> np.ndarray:
    return np.full((edge, edge, 3), level, dtype=np.uint8)


def ground(widget: PictureWidget, x: int, y: int) -> tuple[int, int, int] | None:
    """The background colour of a cell; of a cell of one colour both its pixels are that."""
    for segment in widget.rows[y]:
        if x < segment.cell_length:
            colour = segment.style.bgcolor if segment.style else None
            return tuple(colour.triplet) if colour is not None and colour.triplet is not None else None
        x -= segment.cell_length
    return None


def lines(widget: PictureWidget) -> list[str]:
    return [row.text for row in widget.rows]


async def settled(app: Host) -> None:
    await app.workers.wait_for_complete()


async def test_a_face_is_scaled_in_whole_steps_and_centred() -> None:
    view = FaceView(face(50), "seed 7")
    async with Host(view).run_test(size=(60, 20)) as pilot:
        await pilot.pause()
        # 19 rows are 38 pixels: twice 16. 32 cells by 16, with 14 to the left and 1 above.
        assert ground(view, 14, 1) == (50, 50, 50)
        assert ground(view, 45, 16) == (50, 50, 50)
        assert ground(view, 13, 1) is None
        assert ground(view, 46, 1) is None
        assert ground(view, 20, 0) is None
        assert ground(view, 20, 17) is None
        assert lines(view)[19].strip() == "seed 7"


async def test_a_file_is_read_in_a_thread_and_the_old_picture_stays_until_then(tmp_path: Path) -> None:
    path = tmp_path / "face.png"
    Image.fromarray(face(200)).save(path)
    view = FaceView(face(50))
    app = Host(view)
    async with app.run_test(size=(16, 8)) as pilot:
        await pilot.pause()
        view.show(path)
        assert ground(view, 0, 0) == (50, 50, 50)
        await settled(app)
        assert ground(view, 0, 0) == (200, 200, 200)


@pytest.mark.parametrize("content", [None, b"", b"junk"])
async def test_a_bad_file_is_one_line_in_the_pictures_place(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "bad.png"
    if content is not None:
        path.write_bytes(content)
    view = FaceView(path)
    app = Host(view)
    async with app.run_test(size=(80, 9)) as pilot:
        await pilot.pause()
        await settled(app)
        said = [line for line in lines(view) if line.strip()]
        assert len(said) == 1
        assert said[0].strip().startswith("bad.png ")
        assert str(tmp_path) not in said[0]


async def test_no_picture_is_said() -> None:
    view = FaceView(empty="nothing drawn yet")
    async with Host(view).run_test(size=(40, 9)) as pilot:
        await pilot.pause()
        assert "nothing drawn yet" in lines(view)[4]


async def test_low_colours_and_ascii() -> None:
    low = FaceView(face(50), low_colours=True)
    async with Host(low).run_test(size=(16, 8)) as pilot:
        await pilot.pause()
        colour = next(iter(low.rows[0])).style.bgcolor  # type: ignore[union-attr]
        assert colour is not None
        assert colour.number is not None
    plain = FaceView(face(255), "x", terminal=LATIN)
    async with Host(plain).run_test(size=(16, 9)) as pilot:
        await pilot.pause()
        assert lines(plain)[0] == "@" * 16


async def test_a_trajectory_is_scrubbed_by_key() -> None:
    player = TrajectoryPlayer()
    async with Host(player).run_test(size=(20, 10)) as pilot:
        player.show_frames([face(i * 10) for i in range(5)], [f"t={i}" for i in range(5)])
        assert player.frame == 4
        await pilot.press("h", "left")
        assert player.frame == 2
        assert ground(player, 3, 2) == (20, 20, 20)
        assert lines(player)[-1].strip() == "t=2  3/5"
        await pilot.press("l", "right", "l")
        assert player.frame == 4
        await pilot.press("home")
        assert player.frame == 0
        await pilot.press("end")
        assert player.frame == 4


async def test_playing_goes_to_the_end_and_stops_and_a_key_pauses() -> None:
    player = TrajectoryPlayer(fps=100)
    async with Host(player).run_test(size=(20, 10)) as pilot:
        player.show_frames([face(i) for i in range(6)])
        await pilot.press("space")
        for _ in range(6000):
            await pilot.pause(0.01)
            if not player.playing:
                break
        assert player.frame == 5
        player.fps = 0.01
        await pilot.press("space")
        assert player.playing
        assert player.frame == 0
        assert "▶" in lines(player)[-1]
        player._tick()
        assert player.frame == 1
        await pilot.press("space")
        assert not player.playing
        assert "▶" not in lines(player)[-1]
        await pilot.press("space", "l")
        assert not player.playing
        assert player.frame == 2


async def test_a_player_without_frames() -> None:
    player = TrajectoryPlayer()
    async with Host(player).run_test(size=(40, 9)) as pilot:
        player.show_frames([])
        await pilot.press("space", "h", "l", "home")
        assert "no trajectory was stored" in lines(player)[4]
        assert not player.playing


async def test_the_cursor_moves_over_the_grid_and_its_pages() -> None:
    grid = FaceGrid()
    app = Host(grid)
    async with app.run_test(size=(53, 17)) as pilot:
        grid.show([face(i) for i in range(20)])
        layout = grid.layout_now()
        assert (layout.columns, layout.rows, layout.pages(20)) == (3, 1, 7)
        await pilot.press("l", "right", "j")
        assert grid.selected == 5
        assert grid.selected // grid.layout_now().per_page == 1
        assert "4-6 of 20, page 2/7" in lines(grid)[-1]
        await pilot.press("k", "h")
        assert grid.selected == 1
        await pilot.press("pagedown", "down", "pageup", "up")
        assert grid.selected == 1
        await pilot.press("end")
        assert grid.selected == 19
        await pilot.press("right")
        assert grid.selected == 19
        await pilot.press("home", "left", "enter")
        await pilot.pause()
        assert grid.selected == 0
        assert app.seen[-1] == ("Chosen", 0)
        assert ("Moved", 5) in app.seen


async def test_the_cursor_is_seen() -> None:
    grid = FaceGrid()
    async with Host(grid).run_test(size=(53, 9)) as pilot:
        grid.show([face(100 + i) for i in range(3)], ["a", "b", "c"])
        assert [grid.rows[0].text[x] for x in (0, 17, 34, 51)] == ["▐", "▌", " ", " "]
        assert ground(grid, 1, 0) == (100, 100, 100)
        await pilot.press("l")
        assert [grid.rows[0].text[x] for x in (0, 17, 34, 51)] == [" ", "▐", "▌", " "]
        await pilot.press("l")
        assert [grid.rows[0].text[x] for x in (0, 17, 34, 51)] == [" ", " ", "▐", "▌"]
        assert lines(grid)[8].replace("▐", " ").replace("▌", " ").split() == ["a", "b", "c"]


async def test_a_grid_is_zoomed_by_key() -> None:
    grid = FaceGrid()
    async with Host(grid).run_test(size=(80, 24)) as pilot:
        grid.show([face(i, 32) for i in range(12)])
        fitted = grid.layout_now().width
        await pilot.press("plus")
        assert grid.layout_now().width > fitted
        await pilot.press("0")
        assert grid.layout_now().width == fitted
        await pilot.press("minus")
        assert grid.layout_now().width < fitted
        await pilot.press(*["equals_sign"] * 9)
        assert grid.layout_now().width == 32  # 64 would be too tall


async def test_only_the_page_in_sight_is_read(tmp_path: Path) -> None:
    paths = []
    for i in range(30):
        paths.append(tmp_path / f"{i}.png")
        Image.fromarray(face(i)).save(paths[-1])
    paths[1].write_bytes(b"junk")
    grid = FaceGrid()
    app = Host(grid)
    async with app.run_test(size=(53, 9)) as pilot:
        grid.show(paths)
        await settled(app)
        await pilot.pause()
        await settled(app)
        assert ground(grid, 35, 0) == (2, 2, 2)
        assert "1.png cannot" in lines(grid)[4]
        assert len(grid._files) < 15
        await pilot.press("pagedown")
        await settled(app)
        assert ground(grid, 1, 0) == (3, 3, 3)


async def test_an_empty_grid_takes_keys() -> None:
    grid = FaceGrid(empty="no samples yet: press s")
    app = Host(grid)
    async with app.run_test(size=(53, 9)) as pilot:
        await pilot.press("l", "j", "pagedown", "end", "enter", "plus")
        assert grid.selected == 0
        assert "no samples yet: press s" in lines(grid)[4]
        assert app.seen == []


def sheet(level: int) -> np.ndarray:
    """Two rows of three faces, each a level of its own."""
    faces = [face(level + i) for i in range(6)]
    return np.concatenate([np.concatenate(faces[:3], axis=1), np.concatenate(faces[3:], axis=1)])


def test_a_sheet_is_split_row_by_row() -> None:
    assert [int(f[0, 0, 0]) for f in split_sheet(sheet(10), (16, 16))] == [10, 11, 12, 13, 14, 15]


@pytest.mark.parametrize(
    ("n", "room", "keep", "expected"),
    [(3, 5, 0, [0, 1, 2]), (11, 3, 5, [0, 5, 10]), (11, 3, 9, [0, 5, 9]), (9, 1, 4, [4]), (0, 4, 0, [])],
)
def test_thinning_keeps_the_chosen_moment(n: int, room: int, keep: int, expected: list[int]) -> None:
    assert thinned(n, room, keep) == expected


async def test_a_film_has_a_column_a_moment_and_a_row_a_seed() -> None:
    film = Filmstrip((16, 16))
    app = Host(film)
    async with app.run_test(size=(68, 17)) as pilot:
        film.show([FilmFrame(sheet(20 * i), f"epoch {i}") for i in range(4)])
        assert film.selected == 3
        assert [ground(film, 17 * i, 0) for i in range(4)] == [(20 * i,) * 3 for i in range(4)]
        assert [ground(film, 17 * i, 8) for i in range(4)] == [(20 * i + 1,) * 3 for i in range(4)]
        assert lines(film)[16].split() == ["epoch", "0", "epoch", "1", "epoch", "2", "epoch", "3"]
        await pilot.press("h", "left")
        assert film.selected == 1
        await pilot.press("home")
        assert film.selected == 0
        await pilot.press("end", "right", "l", "enter")
        await pilot.pause()
        assert film.selected == 3
        assert app.seen == [3]


async def test_few_moments_on_a_wide_terminal_show_seeds_in_a_row() -> None:
    film = Filmstrip((16, 16))
    async with Host(film).run_test(size=(80, 9)):
        film.show([FilmFrame(sheet(20 * i), f"epoch {i}") for i in range(2)])
        assert [ground(film, x, 0) for x in (0, 16, 33, 49)] == [(v,) * 3 for v in (0, 1, 20, 21)]
        assert lines(film)[8].split() == ["epoch", "0", "epoch", "1"]


async def test_small_moments_have_short_names() -> None:
    film = Filmstrip((16, 16))
    app = Host(film)
    async with app.run_test(size=(68, 17)):
        film.show([FilmFrame(sheet(1), "epoch 1, step 245", "epoch 1")] * 4)
        assert lines(film)[16].split() == ["epoch", "1"] * 4
        film.show([FilmFrame(sheet(1), "epoch 1, step 1", "epoch 1")] * 4)
        assert lines(film)[16].split() == ["epoch", "1,", "step", "1"] * 4


async def test_a_long_film_is_thinned_and_shows_the_selected_moment() -> None:
    film = Filmstrip((16, 16))
    async with Host(film).run_test(size=(68, 10)) as pilot:
        film.show([FilmFrame(sheet(i), str(i)) for i in range(50)])
        assert lines(film)[9].split() == ["0", "16", "33", "49"]
        await pilot.press("h")
        assert lines(film)[9].split() == ["0", "16", "33", "48"]


async def test_a_film_in_a_narrow_place_shows_learning_rather_than_one_large_moment() -> None:
    film = Filmstrip((32, 32))
    async with Host(film).run_test(size=(33, 11)):
        film.show([FilmFrame(sheet(i), str(i)) for i in range(9)])
        assert lines(film)[10].split() == ["0", "8"]


async def test_a_film_of_files_shows_what_cannot_be_read(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.png", tmp_path / "bad.png"
    Image.fromarray(sheet(50)).save(good)
    bad.write_bytes(b"junk")
    film = Filmstrip((16, 16))
    app = Host(film)
    async with app.run_test(size=(68, 17)):
        film.show([FilmFrame(bad, "1"), FilmFrame(good, "2")])
        await settled(app)
        # One seed at twice its size is worth more here than two at their own.
        assert ground(film, 33, 0) == (50, 50, 50)
        assert "bad.png" in "".join(lines(film))


async def test_an_empty_film() -> None:
    film = Filmstrip()
    async with Host(film).run_test(size=(40, 9)) as pilot:
        await pilot.press("h", "l", "enter", "home", "end")
        assert "no previews yet" in lines(film)[4]


@pytest.mark.parametrize("size", [(1, 1), (10, 3), (200, 50)])
async def test_any_size_does(size: tuple[int, int]) -> None:
    for widget in (FaceView(face(1, 64), "caption"), FaceGrid(), Filmstrip((16, 16))):
        async with Host(widget).run_test(size=size) as pilot:
            if isinstance(widget, FaceGrid):
                widget.show([face(1, 64)] * 7, ["label"] * 7)
            if isinstance(widget, Filmstrip):
                widget.show([FilmFrame(sheet(1), "epoch")] * 7)
            await pilot.pause()
            assert len(widget.rows) <= size[1]
            assert all(row.cell_length == size[0] for row in widget.rows)
