"""Training: layers, losses and initialisers (`nn`), and optimisers (`optim`)."""
