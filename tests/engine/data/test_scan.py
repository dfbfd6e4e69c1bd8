"""What counts as a picture, which names they get, which partition is theirs, when the fingerprint changes."""

import os
import shutil
import socket
import zipfile
from pathlib import Path

import pytest

from engine.base.errors import UserError
from engine.data.scan import scan
from tests.engine.data.odd_pictures import fill, small_jpeg, zipped

PARTITION = b"000000.jpg 0\n000001.jpg 1\n000002.jpg 2\n"


def test_nested_folders_sorted_without_what_all_share(tmp_path: Path) -> None:
    fill(tmp_path / "top" / "deep" / "b", 1)
    fill(tmp_path / "top" / "deep" / "a", 2)
    (tmp_path / "top" / "notes.txt").write_text("x")
    (tmp_path / "top" / "deep" / "UPPER.JPEG").write_bytes(small_jpeg(9))
    listing = scan(tmp_path)
    assert listing.names == ["UPPER.JPEG", "a/000000.jpg", "a/000001.jpg", "b/000000.jpg"]
    assert listing.shared == "top/deep/"
    assert listing.item(1) == ("top/deep/a/000000.jpg",)
    assert listing.ignored == 1
    assert listing.total_bytes == sum(path.stat().st_size for path in tmp_path.rglob("*.[jJ]*"))


def test_folders_that_only_begin_alike_are_not_shared(tmp_path: Path) -> None:
    fill(tmp_path / "cats1", 1)
    fill(tmp_path / "cats2", 1)
    assert scan(tmp_path).names == ["cats1/000000.jpg", "cats2/000000.jpg"]


def test_hidden_files_and_the_shadows_of_other_systems_are_passed_over(tmp_path: Path) -> None:
    fill(tmp_path, 2)
    for name in ("._000000.jpg", ".hidden/a.jpg", "__MACOSX/._a.jpg", "Thumbs.db"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    for folder in ("@eaDir/a.jpg", "$RECYCLE.BIN/S-1", "#recycle", "lost+found", "System Volume Information"):
        fill(tmp_path / folder, 2, start=5)
    listing = scan(tmp_path)
    assert len(listing.names) == 2
    assert listing.ignored == 0
    said = "hidden files 2, #recycle folders 1, $RECYCLE.BIN folders 1, @eaDir folders 1, "
    said += "System Volume Information folders 1, __MACOSX folders 1, hidden folders 1, lost+found folders 1"
    assert listing.left_out.in_words() == said
    path = zipped(tmp_path, tmp_path.parent / f"{tmp_path.name}.zip")
    assert scan(path).names == listing.names
    assert scan(path).left_out.in_words() == said


def test_a_folder_and_its_zip_are_the_same_pictures(tmp_path: Path) -> None:
    folder = fill(tmp_path / "cats", 5)
    for root in (folder, folder.parent):
        listing = scan(zipped(folder, tmp_path / "cats.zip", root))
        assert listing.kind == "zip"
        assert listing.names == scan(folder).names
        assert listing.fingerprint == scan(folder).fingerprint


def test_of_a_name_that_is_twice_in_a_zip_the_last_counts(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.jpg", b"old")
        archive.writestr("b.jpg", b"b")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a.jpg", b"newer")
    listing = scan(path)
    assert listing.names == ["a.jpg", "b.jpg"]
    assert listing.item(0)[2] == 5


def test_a_folder_linked_into_itself_ends(tmp_path: Path) -> None:
    fill(tmp_path / "a", 2)
    (tmp_path / "a" / "again").symlink_to(tmp_path)
    fill(tmp_path.parent / f"{tmp_path.name}-elsewhere", 1, start=7)
    (tmp_path / "linked").symlink_to(tmp_path.parent / f"{tmp_path.name}-elsewhere")
    assert scan(tmp_path).names == ["a/000000.jpg", "a/000001.jpg", "linked/000007.jpg"]


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    fill(tmp_path, 1)
    try:
        (tmp_path / os.fsdecode(b"caf\xe9.jpg")).write_bytes(small_jpeg(1))
    except OSError:
        pytest.skip("this file system wants UTF-8")
    assert len(scan(tmp_path).names) == 2


@pytest.mark.parametrize("change", ["add", "remove", "rename", "longer", "partition"])
def test_the_fingerprint_changes_with_the_pictures(tmp_path: Path, change: str) -> None:
    folder = fill(tmp_path / "cats", 4)
    before = scan(folder).fingerprint
    shutil.copytree(folder, tmp_path / "copy")
    assert scan(tmp_path / "copy").fingerprint == before
    if change == "add":
        fill(folder, 1, start=9)
    elif change == "remove":
        (folder / "000000.jpg").unlink()
    elif change == "rename":
        (folder / "000000.jpg").rename(folder / "x.jpg")
    elif change == "longer":
        with open(folder / "000000.jpg", "ab") as file:
            file.write(b"\0")
    else:
        (folder / "list_eval_partition.txt").write_bytes(PARTITION)
    assert scan(folder).fingerprint != before


@pytest.mark.parametrize(
    ("pictures", "given", "partition"),
    [
        ("img_align_celeba", "img_align_celeba", "list_eval_partition.txt"),
        ("img_align_celeba", ".", "list_eval_partition.txt"),
        ("img_align_celeba", "img_align_celeba", "img_align_celeba/list_eval_partition.txt"),
        ("img_align_celeba/img_align_celeba", "img_align_celeba", "list_eval_partition.csv"),
        ("img_align_celeba/img_align_celeba", "img_align_celeba/img_align_celeba", "list_eval_partition.txt"),
        ("Img/img_align_celeba", "Img/img_align_celeba", "Eval/list_eval_partition.txt"),
        ("Img/img_align_celeba", ".", "Eval/list_eval_partition.txt"),
    ],
)
def test_celebas_partition_is_found_inside_beside_and_above(
    tmp_path: Path, pictures: str, given: str, partition: str
) -> None:
    fill(tmp_path / pictures, 3)
    (tmp_path / partition).parent.mkdir(exist_ok=True)
    (tmp_path / partition).write_bytes(PARTITION)
    listing = scan(tmp_path / given)
    assert listing.celeba
    assert listing.partition == PARTITION
    assert listing.names == ["000000.jpg", "000001.jpg", "000002.jpg"]


def test_celebas_zip_with_the_partition_beside_it_or_in_it(tmp_path: Path) -> None:
    folder = fill(tmp_path / "img_align_celeba", 3)
    path = zipped(folder, tmp_path / "img_align_celeba.zip")
    assert scan(path).partition is None
    (tmp_path / "list_eval_partition.txt").write_bytes(PARTITION)
    assert scan(path).partition == PARTITION
    shutil.rmtree(folder)
    assert scan(tmp_path).path == path  # torchvision's layout: the zip alone in a folder
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("list_eval_partition.csv", b"image_id,partition\n000000.jpg,1\n")
    assert scan(path).partition == b"image_id,partition\n000000.jpg,1\n"


def test_a_partition_above_other_pictures_is_not_theirs(tmp_path: Path) -> None:
    (tmp_path / "list_eval_partition.txt").write_bytes(PARTITION)
    listing = scan(fill(tmp_path / "cats", 3))
    assert not listing.celeba
    assert listing.partition is None


def test_what_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="does not exist"):
        scan(tmp_path / "nowhere")
    fill(tmp_path / "a" / "locked", 1)
    real = os.scandir

    def refuse(folder: Path) -> object:
        if Path(folder).name == "locked":
            raise PermissionError(13, "Permission denied")
        return real(folder)

    monkeypatch.setattr(os, "scandir", refuse)  # root may read everything, so chmod alone would prove nothing
    with pytest.raises(UserError, match=r"locked cannot be read: Permission denied.*permissions"):
        scan(tmp_path / "a" / "locked")
    fill(tmp_path / "a", 2)
    listing = scan(tmp_path / "a")
    assert listing.names == ["000000.jpg", "000001.jpg"]
    assert listing.left_out.in_words() == "folders that cannot be read 1"


def test_what_is_left_out_is_named_by_kind(tmp_path: Path) -> None:
    fill(tmp_path / "pics", 3)
    for name in ("a.heic", "b.HEIC", "notes", "list_eval_partition.txt"):
        (tmp_path / "pics" / name).write_bytes(b"x")
    assert scan(tmp_path / "pics").left_out.in_words() == ".heic 2, no ending 1"
    path = zipped(tmp_path / "pics", tmp_path / "a.zip")
    with zipfile.ZipFile(path, "a") as archive:
        link = zipfile.ZipInfo("pics/link.jpg")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "000000.jpg")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("pics/000001.jpg", small_jpeg(5))
    assert scan(path).left_out.in_words() == ".heic 2, links 1, no ending 1, same names 1"
    assert len(scan(path).names) == 3


def test_names_of_zips_as_other_tools_write_them(tmp_path: Path) -> None:
    """All of them are the same pictures as those of the folder."""
    folder = fill(tmp_path / "img_align_celeba", 3)
    (folder / "list_eval_partition.txt").write_bytes(PARTITION)
    for pattern in (
        "./CelebA/img_align_celeba/{}",
        "CelebA\\img_align_celeba\\{}",
        "C:\\img_align_celeba\\{}",
    ):
        path = tmp_path / "back.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for file in folder.iterdir():
                info = zipfile.ZipInfo("x")
                info.filename = pattern.format(file.name)
                archive.writestr(info, file.read_bytes())
            info = zipfile.ZipInfo("x")
            info.filename = "__MACOSX" + pattern[pattern.index("img") - 1] + "._000001.jpg"
            archive.writestr(info, b"\0\5\x16\7")
        listing = scan(path)
        assert listing.names == scan(folder).names
        assert listing.celeba
        assert listing.partition == PARTITION
        assert listing.left_out.in_words() == "__MACOSX folders 1"


# What is no picture, and what cannot be read.


def test_nothing_odd_below_a_folder_stops_the_rest(tmp_path: Path) -> None:
    folder = fill(tmp_path / "a", 3)
    os.mkfifo(folder / "pipe.jpg")
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(folder)  # the path of a socket may not be long
        server.bind("socket.png")
        os.chdir(here)
    (folder / "itself.jpg").symlink_to("itself.jpg")
    (folder / "gone.jpg").symlink_to("nowhere/x.jpg")
    (folder / "no-folder.jpg").symlink_to("000000.jpg/x.jpg")
    (folder / "null.jpg").symlink_to("/dev/null")
    (folder / "again").symlink_to(".")
    (folder / "IMG_1.HEIC").write_bytes(b"x")
    (folder / "IMG_2.heic").write_bytes(b"x")
    (folder / "README").write_bytes(b"x")
    listing = scan(folder)
    assert len(listing.names) == 3
    assert {kind.label: kind.count for kind in listing.left_out} == {
        "pipes": 1,
        "sockets": 1,
        "devices": 1,
        "dead links": 3,
        "links to folders above or beside": 1,
        ".heic": 2,
        "no ending": 1,
    }


def test_a_folder_that_is_also_linked_to_is_found_under_its_own_name(tmp_path: Path) -> None:
    fill(tmp_path / "z", 2)
    for name in ("a", "zz", "m"):
        (tmp_path / name).symlink_to("z")
    assert scan(tmp_path).names == ["000000.jpg", "000001.jpg"]
    assert scan(tmp_path).shared == "z/"


@pytest.mark.parametrize("kind", ["pipe", "device", "socket"])
def test_what_is_no_file_or_folder_is_refused_at_once(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "p.zip"
    with socket.socket(socket.AF_UNIX) as server:
        if kind == "pipe":
            os.mkfifo(path)
        elif kind == "device":
            path.symlink_to("/dev/zero")
        else:
            here = Path.cwd()
            os.chdir(tmp_path)
            server.bind("p.zip")
            os.chdir(here)
        with pytest.raises(UserError, match=rf"p\.zip is neither a file nor a folder \(it is a {kind}\)"):
            scan(path)


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 12345\n"


@pytest.mark.parametrize("form", ["folder", "zip"])
def test_pointers_of_git_are_no_pictures(tmp_path: Path, form: str) -> None:
    folder = fill(tmp_path / "cats", 2)
    for n in range(3):
        (folder / f"lfs{n}.png").write_bytes(LFS)
    (folder / "annex.jpg").write_bytes(b"/annex/objects/SHA256E-s12345--" + b"0" * 64 + b".jpg\n")
    (folder / "short.png").write_bytes(b"\x89PNG")
    listing = scan(folder if form == "folder" else zipped(folder, tmp_path / "cats.zip"))
    assert listing.names == ["000000.jpg", "000001.jpg", "short.png"]
    assert listing.left_out.in_words() == "git-lfs pointers 3, git-annex pointers 1"


def test_folders_at_the_top_are_counted(tmp_path: Path) -> None:
    fill(tmp_path / "afhq" / "train" / "cat", 3)
    fill(tmp_path / "afhq" / "test" / "cat", 2)
    assert scan(tmp_path).folders == {"train": 3, "test": 2}
    assert scan(tmp_path / "afhq" / "test").folders == {}
    fill(tmp_path / "afhq", 1)
    assert scan(tmp_path).folders == {"train": 3, "test": 2, "": 1}
    for n in range(20):
        fill(tmp_path / "afhq" / f"c{n:02d}", 4)
    assert list(scan(tmp_path).folders.items())[-1] == ("…", 8 * 4 + 3 + 2 + 1)


# Limits of a listing, and its progress.


def test_the_whole_file_system_is_no_folder_of_pictures(tmp_path: Path) -> None:
    (tmp_path / "root").symlink_to("/")
    for path in (Path("/"), Path("/.."), tmp_path / "root"):
        with pytest.raises(UserError, match="is the whole file system — name the folder"):
            scan(path)


def test_the_kernels_talk_of_itself_is_not_looked_through(tmp_path: Path) -> None:
    fill(tmp_path, 2)
    (tmp_path / "kernel").symlink_to("/proc")
    listing = scan(tmp_path)
    assert listing.names == ["000000.jpg", "000001.jpg"]
    assert listing.left_out.in_words() == "file systems of the kernel 1"


def test_who_watches_hears_of_each_folder_and_may_stop(tmp_path: Path) -> None:
    fill(tmp_path / "a" / "b", 2)
    fill(tmp_path / "c", 3)
    heard: list[tuple[int, str]] = []
    scan(tmp_path, watch=lambda found, where: heard.append((found, where)))
    assert sorted(where for _, where in heard) == ["", "a/", "a/b/", "c/"]
    assert max(found for found, _ in heard) in (2, 3)  # of the folder that is looked through first

    def stop(found: int, where: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        scan(tmp_path, watch=stop)


def test_who_watches_hears_of_many_files_in_one_folder(tmp_path: Path) -> None:
    for number in range(1100):
        (tmp_path / f"{number}.txt").touch()
    heard: list[int] = []
    scan(tmp_path, watch=lambda found, where: heard.append(found))
    assert heard == [0, 512, 1024]


def test_a_link_to_a_folder_above_does_not_leave_the_folder(tmp_path: Path) -> None:
    """What is beside a folder is none of its pictures; a link to another folder is how people collect some."""
    fill(tmp_path / "mine", 2)
    fill(tmp_path / "other", 3, start=5)
    (tmp_path / "mine" / "up").symlink_to("..")
    (tmp_path / "mine" / "far").symlink_to(tmp_path.parent)
    (tmp_path / "mine" / "theirs").symlink_to("../other")
    listing = scan(tmp_path / "mine")
    assert listing.names == ["000000.jpg", "000001.jpg", *(f"theirs/00000{n}.jpg" for n in (5, 6, 7))]
    assert listing.left_out.in_words() == "links to folders above or beside 2"
