"""The tests of OpsWatch; they mirror the source tree."""
