"""A module of PyTorch as what the importer reads: traced by ``torch.export``, each of its calls as records."""
