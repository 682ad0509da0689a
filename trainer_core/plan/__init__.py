"""What it will take before it starts: plan, memory, time. Arithmetic only, no torch."""
