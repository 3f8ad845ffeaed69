"""One file per data set; each yields Pairs."""
