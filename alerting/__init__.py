"""Rules, the alert state machine, evaluation, the ledger's words, and trying rules."""
