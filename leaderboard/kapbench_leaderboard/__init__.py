"""The leaderboard: comparison, tables, figures, pages and submissions of finished runs."""
