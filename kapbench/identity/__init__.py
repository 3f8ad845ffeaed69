"""Whether two models are the same: by the code and the values that they are made of."""
