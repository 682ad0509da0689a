"""What the screen of one run is made of: charts, numbers, phases, log and result."""
