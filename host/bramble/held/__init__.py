"""What is held while a model trains: masks and zeros, shared values, layers at rest."""
