"""Pictures and words: a recorded graph drawn, folded, played step by step, explained and checked.

`draw` gives its picture and `gradient_flow` that of the gradients in it; `explain` writes a computation and its gradient
down; `why` says why a gradient is zero, tiny, huge or missing; `blame` where the first NaN or infinity was born; `kinks`
lists what is not smooth near the point; `audit` checks every recorded local gradient against an independent number. None
of them changes a value or a gradient.
"""
