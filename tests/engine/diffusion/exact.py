"""Products of α in 60-digit decimals: what the tables are measured against."""

from collections.abc import Sequence
from decimal import Decimal, localcontext


def exact_alpha_bars(table: Sequence[float]) -> list[Decimal]:
    """ᾱ_t = Π(1 − β) up to each t."""
    with localcontext() as context:
        context.prec = 60
        product, found = Decimal(1), []
        for beta in table:
            product *= 1 - Decimal(beta)
            found.append(product)
        return found
