"""A board's camera loop from the host: looked at in the foreground, installed as a service, asked, swapped."""
