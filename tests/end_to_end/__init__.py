"""Tests of the whole way; a package, so that files here may be named as files of other test folders are."""
