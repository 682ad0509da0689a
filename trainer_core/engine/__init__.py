"""What executes a run: torch, transformers, datasets."""
