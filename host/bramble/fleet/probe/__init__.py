"""One look at a board by a plain shell script, and the survey that comes of it."""
