"""Deformable registration networks that differ in where and how they fuse their two images."""

__version__ = "0.2.0"
