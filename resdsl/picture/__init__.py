"""Draw networks: a graph becomes a diagram, the diagram a scene of shapes, the scene SVG, PDF or PNG."""
