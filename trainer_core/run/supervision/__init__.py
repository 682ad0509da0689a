"""How a run lives: started, waiting, watched, restarted, ended."""
