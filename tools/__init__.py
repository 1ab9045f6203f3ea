"""Programs for making parts of srft; no part of what is installed."""
