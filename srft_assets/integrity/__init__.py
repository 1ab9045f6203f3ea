"""What runs hide: steps that read the fix, change tests, or hard-code expected answers.

Found by fixed rules over parsed commands, what answered them, and the submitted patch.
"""
