"""Several encoders as one, whose similarity is the weighted sum of their cosines."""
