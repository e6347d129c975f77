"""Pictures and words: a recorded graph drawn, folded, played step by step, explained and checked, and never changed."""
