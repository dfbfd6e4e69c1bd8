"""The jobs of this package: packing a data set, and downloading CelebA."""

from engine.base.errors import UserError
from engine.base.folders import PackedFolder
from engine.base.text import plural
from engine.data.celeba import NAME, download_celeba
from engine.data.labelling import attach
from engine.data.manifest import load_manifest
from engine.data.packing import PackingStoppedError, pack
from engine.jobs.context import Stopped, Work
from engine.jobs.files import EXIT_DONE, Result


def pack_for(
    work: Work, dataset: str, size: int, recipe: str, limit: int | None, anew: bool = False
) -> PackedFolder:
    """Return the packed folder, packing it if necessary and reporting to the job. Raises Stopped."""
    try:
        return pack(
            work.home,
            dataset,
            size,
            recipe,
            limit,
            report=lambda done, total, text: work.report("packing", done, total, "pictures", text=text),
            should_stop=lambda: work.stopping is not None,
            anew=anew,
        )
    except PackingStoppedError as error:
        raise Stopped(error.what, "run it again: packing continues from there") from None


def run_packing(work: Work) -> Result:
    """Pack a data set. Arguments: dataset, size, recipe, limit, and anew to pack again."""
    args = work.spec.args
    folder = pack_for(
        work, args["dataset"], args["size"], args["recipe"], args.get("limit"), bool(args.get("anew"))
    )
    manifest = load_manifest(folder)
    try:
        labels = attach(work.home, folder) if manifest.recipe != "drawn" else None
    except UserError as error:
        work.say(f"no labels beside them: {error}")
    else:
        if labels is not None:
            work.say(f"{plural(len(labels.names), 'label')} beside them, from {labels.source}")
    message = f"{args['dataset']}: {plural(manifest.count, 'picture')} at {manifest.size} px, crop {manifest.recipe}"
    work.say(message)
    return Result("done", EXIT_DONE, message, extra={"folder": str(folder.path)})


def run_fetching(work: Work) -> Result:
    """Download a data set. Arguments: dataset, which can only be "celeba". Its files are stored in the home and added
    as a data set.
    """
    wanted = work.spec.args["dataset"]
    if wanted != NAME:
        raise UserError(f"{wanted!r} cannot be downloaded", f"only {NAME!r} can")

    def report(done: int, total: int, text: str) -> None:
        # Called from the thread that watches the download; raising here could not interrupt the download.
        work.report("fetching", done, total, "bytes", text=text)

    source = download_celeba(work.home, report)
    message = f"{source.name}: {plural(source.pictures, 'picture')} in {source.path}"
    work.say(message)
    return Result("done", EXIT_DONE, message, extra={"dataset": source.name})
