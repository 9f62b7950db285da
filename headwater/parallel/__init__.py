"""The network on many devices."""
