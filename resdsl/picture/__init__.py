"""Networks as pictures: a graph becomes a diagram, the diagram shapes on a sheet, the shapes SVG, PDF or PNG."""
