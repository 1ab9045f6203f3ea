"""Masked tokens of an arm as data sets that trainers load."""
