"""The right answers and the known mistakes, one file per topic."""
