"""The HTTP server: handlers by noun, sessions, live streams, OpenAPI."""
