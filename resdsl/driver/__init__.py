"""From source to artefact, as lazy stages. The Python API and every command stand on it."""
