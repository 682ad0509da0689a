"""One module for each place the user can be."""
