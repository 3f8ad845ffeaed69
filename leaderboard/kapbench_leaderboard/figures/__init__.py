"""Pictures of runs: draw_transfer, similarity, features in colour, curves, bars, and a run's report."""
