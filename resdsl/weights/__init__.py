"""What the tensors of a network hold: drawn at random, read from a checkpoint, or computed from others."""
