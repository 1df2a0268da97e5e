"""The fact of a Hopf point: its equations, enclosed, in a family of fields."""
