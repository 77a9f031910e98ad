"""Simulation in virtual time: the real router chooses among simulated providers, compared with other strategies."""
