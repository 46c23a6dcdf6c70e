"""The application: settings, wiring, scheduler, command line, its own log and state."""
