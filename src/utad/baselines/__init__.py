"""The compared methods, each in one file, behind one fit and predict."""
