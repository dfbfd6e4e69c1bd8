"""The table of optimizers: one line and one file each. Must not import torch.

To add one, write a file in `engine/training/optim/` with functions of the types `Make` and `Kept` of
`engine.training.optim`, and add its line to `OPTIMIZERS`. Profiles, the command line, the forms and the docs read it
from here.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.base.named import names_of


@dataclass(frozen=True)
class OptimizerKind:
    """A line of the table.

    module: the file, which has the functions `make` and `kept` · words: what it is, for people.
    """

    module: str
    words: str


OPTIMIZERS = {
    "adam": OptimizerKind("engine.training.optim.adam", "Adam; weight decay is added to the gradient"),
    "adamw": OptimizerKind("engine.training.optim.adamw", "Adam with decoupled weight decay"),
    "muon": OptimizerKind(
        "engine.training.optim.muon", "orthogonalised momentum for inner weights, AdamW for the rest"
    ),
}

if TYPE_CHECKING:
    OptimizerName = str
else:
    OptimizerName = names_of(OPTIMIZERS)
