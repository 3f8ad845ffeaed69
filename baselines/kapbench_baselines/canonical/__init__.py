"""Methods that give every pixel a place in a category's own low-dimensional frame: dve and asic."""
