"""Tests of the fleet; a package, so that files here may be named as files of other test folders are."""
