"""The pages (and later the alert rules) that come with OpsWatch."""
