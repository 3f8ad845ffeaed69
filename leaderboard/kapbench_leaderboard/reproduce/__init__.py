"""A published number or an entry of the board measured again here, compared, and reported."""
