"""The dashboard and the command line. Never torch."""
