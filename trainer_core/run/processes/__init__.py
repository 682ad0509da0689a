"""The processes of a run on this host: who they are, whether they live, what they say."""
