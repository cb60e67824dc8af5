"""Active learning: a model that finds, in its own runs, the structures that it does not know."""
