"""The command line `opswatch`, one module per group of commands. Shell."""
