"""Devices: programs as PTX, and the backend that runs them there."""
