"""Critics: a run in, one verdict for every step out."""
