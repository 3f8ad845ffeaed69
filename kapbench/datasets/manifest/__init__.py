"""A data set in the manifest format: schema, check, CSV tables, export, and reading."""
