"""Strategies: the orders in which the targets of a tier are tried. `base` is the interface, `registry` the list."""
