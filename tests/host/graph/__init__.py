"""Tests of one package; a package too, so that files here may be named as files of other test folders are."""
