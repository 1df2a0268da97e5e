"""The face of the toolkit: the command line and its reports. Composes the other rooms and holds no mathematics.

>>> __version__.count(".")
2
"""

__version__ = "0.1.0"
