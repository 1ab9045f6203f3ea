"""Generated tasks, a fallible scripted teacher, a tiny base model: the embedded default."""
