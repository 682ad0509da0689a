"""What the form of a new run is made of: fields, parts, verdict and preview."""
