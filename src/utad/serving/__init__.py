"""Answering all day: an HTTP server with worker processes, and a watched folder."""
