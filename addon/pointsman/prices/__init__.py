"""What tokens cost: rates of models, and what an answer's usage comes to. Money is integers of nano-dollars."""

from pointsman.prices.rates import Period, Rates, Tier, cost, dollars
from pointsman.prices.resolve import model_rates
from pointsman.prices.table import listed_rates, prices_as_of

__all__ = ["Period", "Rates", "Tier", "cost", "dollars", "listed_rates", "model_rates", "prices_as_of"]
