"""A packing job: decode, crop and scale a data set once, with progress."""

from engine.data.catalog import load_manifest
from engine.data.packing import PackingStoppedError, pack
from engine.home import PackedFolder
from engine.jobs import EXIT_DONE, Result
from engine.work import Stopped, Work


def pack_for(work: Work, dataset: str, size: int, recipe: str, limit: int | None) -> PackedFolder:
    """The packed folder, made now where it is not there yet, reporting into the job. Raises Stopped."""
    try:
        return pack(
            work.home,
            dataset,
            size,
            recipe,
            limit,
            report=lambda done, total, text: work.report("packing", done, total, "pictures", text=text),
            should_stop=lambda: work.stopping is not None,
        )
    except PackingStoppedError as error:
        raise Stopped(error.what, "run it again: packing goes on where it was") from None


def run_packing(work: Work) -> Result:
    """args: dataset, size, recipe, limit."""
    args = work.spec.args
    folder = pack_for(work, args["dataset"], args["size"], args["recipe"], args.get("limit"))
    manifest = load_manifest(folder)
    message = f"{args['dataset']}: {manifest.count:,} pictures at {manifest.size} px, crop {manifest.recipe}"
    work.say(message)
    return Result("done", EXIT_DONE, message, extra={"folder": str(folder.path)})
