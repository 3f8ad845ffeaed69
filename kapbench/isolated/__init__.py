"""A model in a process of its own: it gets pictures and query points over a pipe, and nothing else."""
