"""The price engine: sums over jobs at any size, by prices of the resources, with a proof."""

from optsched.search.prices.engine import Priced, dual_prices, price
from optsched.search.prices.names import named, numbered

__all__ = ["Priced", "dual_prices", "named", "numbered", "price"]
