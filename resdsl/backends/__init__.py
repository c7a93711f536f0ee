"""What a graph can be written as: one package for each format."""
