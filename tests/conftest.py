"""What every test starts from, whoever started the suite."""

from __future__ import annotations

import os
import signal

# One thread a process: the suite's processes share few cores, and spinning threads cost more
# than they bring. Set before torch is imported anywhere.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Nothing is asked of a network that may not be there.
os.environ["HF_HUB_OFFLINE"] = "1"
# A caller under nohup, or a shell's background job, hands on ignored signals; what is tested
# here is what a person's terminal sends.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)
