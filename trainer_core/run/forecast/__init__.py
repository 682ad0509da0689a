"""What a run would take: its plan, and what was measured here before."""
