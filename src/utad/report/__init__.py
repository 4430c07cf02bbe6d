"""HTML pages for people: each one file that asks no server for anything."""
