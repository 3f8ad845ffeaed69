"""What a model is shown and what it returns: inputs, outputs, the contract, controls, saved maps."""
