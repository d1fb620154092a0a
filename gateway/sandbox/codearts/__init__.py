"""The simulator of Huawei CodeArts Repo."""

from gateway.sandbox.codearts.api import CodeArts

__all__ = ["CodeArts"]
