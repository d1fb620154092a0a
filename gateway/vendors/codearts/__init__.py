"""The kit of Huawei CodeArts Repo."""

from gateway.vendors.codearts.vendor import CodeArts

KIT = CodeArts
