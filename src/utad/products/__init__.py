"""Many products, each with a detector of its own: their index, and their training."""
