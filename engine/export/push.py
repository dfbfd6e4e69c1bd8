"""Uploading an exported folder to the Hugging Face hub by its own client. Never imports torch."""

import re
from importlib.util import find_spec
from pathlib import Path

from engine.base.errors import UsageError, UserError

_NAME = re.compile(
    r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?(/[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)?"
)


def check_push(repo: str) -> None:
    """Raise UsageError for a text that cannot be a repository's name, UserError if the client is not installed."""
    if not _NAME.fullmatch(repo) or "--" in repo or ".." in repo or len(repo) > 96:
        raise UsageError(
            f"--push {repo}: that is no repository's name", "USER/NAME, of letters, digits, - _ and ."
        )
    if find_spec("huggingface_hub") is None:
        raise UserError("--push needs huggingface_hub, which is not installed", "pip install 'ddpm-tui[hub]'")


def files_to_push(folder: Path) -> list[tuple[str, int]]:
    """Return name and size of everything that would be uploaded."""
    return [
        (path.relative_to(folder).as_posix(), path.stat().st_size)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    ]


def push(folder: Path, repo: str, private: bool) -> str:
    """Upload the folder to a repository, which is made if missing; return its address.

    Raises UserError, in one line, if it cannot be done; the folder stays as it is.
    """
    from huggingface_hub import HfApi

    try:
        api = HfApi()
        address = str(api.create_repo(repo, private=private, exist_ok=True))
        api.upload_folder(repo_id=repo, folder_path=folder, commit_message=f"Add {folder.name}")
    except Exception as error:  # the client raises those of its HTTP library, OSError and its own
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        said = (lines or [type(error).__name__])[0].rstrip(".")
        raise UserError(
            f"{repo} was not pushed to: {said}",
            f"the export is whole in {folder}; see to the network and `hf auth login`, "
            f"then `hf upload {repo} {folder}`",
        ) from None
    return address
