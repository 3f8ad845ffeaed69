"""Feature maps: encode once, keep, compare. Here modules import torch at their top."""
