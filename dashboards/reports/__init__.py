"""Reports: what a period was like, against the one before it."""
