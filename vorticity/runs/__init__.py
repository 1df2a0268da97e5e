"""Many computations: processes or a cluster, results kept in one file as they come, sweeps from a file, the tour."""
