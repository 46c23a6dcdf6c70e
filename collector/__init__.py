"""What is watched: targets, probes, host sampling, and the spool that keeps what they found."""
