"""Vision transformers as frozen encoders: weights, facets, overlapping patches."""
