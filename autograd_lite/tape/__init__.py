"""The tape: a recorded graph as a straight-line program, its passes, and what runs it."""
