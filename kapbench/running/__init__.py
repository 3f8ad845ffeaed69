"""Plan, run, resume, and the run folder."""
