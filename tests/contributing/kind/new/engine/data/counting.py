"""A job that counts the pictures of a data set."""

from engine.data.catalog import load_source
from engine.jobs.context import Work
from engine.jobs.files import EXIT_DONE, Result


def run_counting(work: Work) -> Result:
    """args: dataset. Raises UserError for one that is not there."""
    source = load_source(work.home, work.spec.args["dataset"])
    return Result("done", EXIT_DONE, f"{source.pictures} pictures")
