"""Linear algebra, distributions and series: what a reader of the core need not know."""
