"""One module for each thing on screen."""
