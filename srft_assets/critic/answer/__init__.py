"""What a critic answers: the schema it is given, and the verdicts read from its reply."""
