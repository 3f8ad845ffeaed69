"""Tables of finished runs. Reads run cards; imports no model and no torch."""
