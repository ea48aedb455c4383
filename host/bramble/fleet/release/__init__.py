"""Bring a bundle to a board as a release: what it lacks, in the shortest form, checked and switched to there."""
