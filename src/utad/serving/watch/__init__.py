"""`utad watch`: a folder that images come to."""
