"""The price engine: sums over jobs at any size, by prices of the resources, with a proof."""

from optsched.prices.engine import Priced, price

__all__ = ["Priced", "price"]
