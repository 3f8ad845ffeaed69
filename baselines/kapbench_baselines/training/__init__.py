"""What every trained baseline shares: the loop, its state, files, options and validation."""
