"""Tests of the host side; a package, so that files here may be named as files of other test folders are."""
