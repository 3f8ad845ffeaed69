"""A model on images without annotation: where each point of one lies in another."""
