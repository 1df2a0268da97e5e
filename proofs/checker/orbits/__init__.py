"""The fact of a periodic orbit: validated steps along it, and Krawczyk's operator on its points and period."""
