"""Training in memory: many models at once, and optimisers besides the two that are taught."""
