"""The commands, one a file; `main` puts them together and turns whatever goes wrong into one line and an exit code."""
