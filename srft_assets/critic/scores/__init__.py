"""How well a critic's verdicts agree with gold labels."""
