"""What only the first screen shows: the accelerators, and one line where room is short."""
