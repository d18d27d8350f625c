"""Search where placement on servers is decided: domains and their prices, dominance, first plans, neighbourhoods."""
