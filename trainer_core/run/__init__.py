"""What a run is: its configuration, folder, events and processes. No torch."""
