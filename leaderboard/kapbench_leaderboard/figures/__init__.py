"""Figures of runs: transfers, similarity, features in colour, curves, bars, and a run's report."""
