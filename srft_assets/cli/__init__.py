"""`srft`, the command line. Each command is a module; heavy imports wait for their command."""

from srft_assets.cli.app import main

__all__ = ["main"]
