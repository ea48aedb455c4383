"""Tests of the on-board agent; a package, so that files here may be named as files of other test folders are."""
