"""What changed between two networks: layer by layer, in cost, and for the weights of the old one."""
