"""Configuration that comes with OpsWatch, where the story wants it."""
