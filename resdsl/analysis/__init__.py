"""Facts about a graph: what it costs, how deep it is, what its outputs see, how small its input may be."""
