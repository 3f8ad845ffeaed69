"""Rules, records, metrics, splits, statistics: pure functions, no torch."""
