"""A real systemd to test services with: an unpacked Debian that systemd-nspawn boots."""
