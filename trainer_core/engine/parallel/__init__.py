"""Every kind of plan on its ranks: who talks to whom, and how a model is cut among them."""
