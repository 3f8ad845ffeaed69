"""Feature maps as labs store them, written as a folder that `features:DIR` reads."""
