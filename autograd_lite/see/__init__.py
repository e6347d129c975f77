"""Pictures and words: a recorded graph is drawn, folded, played step by step, explained and checked, and never changed."""
