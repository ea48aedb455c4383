"""Boards over SSH: configuration, keys, login, the open connection. Only this folder knows paramiko."""
