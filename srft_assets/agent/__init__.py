"""mini-swe-agent, played on one task inside our sandbox."""
