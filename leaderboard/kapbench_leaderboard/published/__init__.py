"""Numbers that papers print: each with its source, and with what repeats it here or why nothing does."""
