"""Bounded, network-less execution of commands that a model wrote."""

from srft_assets.sandbox.detection import open_sandbox, sandbox_status
from srft_assets.sandbox.model import Completed, Limits, Sandbox, SandboxError

__all__ = ["Completed", "Limits", "Sandbox", "SandboxError", "open_sandbox", "sandbox_status"]
