"""The training core: what a run is, what it runs on, what it will cost, and what executes it.

Usable without the dashboard: `python -m trainer_core --help`, or as a library. Only
`trainer_core.engine` needs torch.
"""

__version__ = "0.1.0"
