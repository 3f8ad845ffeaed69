"""The leaderboard as static pages: entries in, a folder of HTML out."""
