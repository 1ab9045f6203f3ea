"""The client of an OpenAI-compatible chat API: bounded, patient, and silent about keys."""
