"""Bounded, network-less execution of commands that a model wrote."""

from srft_assets.sandbox.errors import SandboxError
from srft_assets.sandbox.model import Completed, Limits, Sandbox
from srft_assets.sandbox.opening import open_sandbox, sandbox_status

__all__ = ["Completed", "Limits", "Sandbox", "SandboxError", "open_sandbox", "sandbox_status"]
