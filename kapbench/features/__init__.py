"""Feature maps: encode once, keep, compare. The only rooms of the core that import torch."""
