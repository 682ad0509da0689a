"""From a source of rows to packed tokens."""
