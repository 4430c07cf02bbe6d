"""Answering all day: the parts that stay up and score what comes."""
