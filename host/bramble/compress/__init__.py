"""One technique = one file = one obvious function, named as its stage is named in a recipe."""
