"""The losses, as pure functions that return their named terms; weighting happens once, in the training stage."""
