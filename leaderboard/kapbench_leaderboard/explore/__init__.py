"""One page in which a reader points at a point and sees where a model finds it."""
