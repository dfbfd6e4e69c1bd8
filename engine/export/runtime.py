"""ONNX Runtime for browsers, taken from a package on this machine: node_modules, or the output of `npm pack`."""

import tarfile
from pathlib import Path

from engine.base.errors import UserError

FILES = {"ort.wasm.bundle.min.mjs": "ort.js", "ort-wasm-simd-threaded.wasm": "ort.wasm"}
"""In the package's dist folder → in the page's runtime folder."""

GET = "npm pack onnxruntime-web && tar xzf onnxruntime-web-*.tgz"
"""Run in the folder of a page, it makes the page whole."""

_PLACES = ("", "dist", "package/dist", "onnxruntime-web/dist", "node_modules/onnxruntime-web/dist")


def copy_runtime(given: Path, target: Path) -> None:
    """Copy the two files that a page needs from `given`, a folder or a .tgz, into `target`, which is made.

    Raises UserError if they are not there.
    """
    contents = _from_archive(given) if given.is_file() else _from_folder(given)
    if contents is None:
        raise UserError(
            f"{given} has no {' and no '.join(FILES)}",
            "name a node_modules folder with onnxruntime-web, or what `npm pack onnxruntime-web` gave",
        )
    target.mkdir()
    for name, content in contents.items():
        (target / name).write_bytes(content)


def check_runtime(given: Path) -> None:
    """Raise UserError unless `copy_runtime` will find the files it needs."""
    if not given.exists():
        raise UserError(f"--runtime {given}: there is no such folder or file", f"in it: {GET}")
    if given.is_dir() and _from_folder(given, read=False) is None:
        raise UserError(
            f"--runtime {given} has no onnxruntime-web",
            "name a node_modules folder that has it, or what `npm pack onnxruntime-web` gave",
        )


def _from_folder(given: Path, read: bool = True) -> dict[str, bytes] | None:
    for place in _PLACES:
        paths = {name: given / place / source for source, name in FILES.items()}
        if all(path.is_file() for path in paths.values()):
            return {name: path.read_bytes() if read else b"" for name, path in paths.items()}
    return None


def _from_archive(given: Path) -> dict[str, bytes] | None:
    found = {}
    try:
        with tarfile.open(given) as archive:
            for member in archive:
                name = FILES.get(Path(member.name).name)
                if name and member.isfile() and "dist" in Path(member.name).parts:
                    content = archive.extractfile(member)
                    assert content is not None
                    found[name] = content.read()
    except (tarfile.TarError, OSError, EOFError) as error:
        raise UserError(
            f"{given} cannot be read ({error})", "pack it again: npm pack onnxruntime-web"
        ) from None
    return found if len(found) == len(FILES) else None
