"""A Graph as text: from a flat list of nodes to joins, groups, blocks, repeats and stages."""
