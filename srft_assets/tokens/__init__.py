"""Chat template to token ids and loss mask, verified."""
