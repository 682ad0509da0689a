"""What a run is asked for: its settings, where they come from, what is wrong with them."""
