"""Facts about boxes of the plane: zeros and signs of a field, trapping rings, Dulac functions."""
