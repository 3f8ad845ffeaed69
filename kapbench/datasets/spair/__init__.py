"""SPair-71k and SPair-U in their official layout."""
