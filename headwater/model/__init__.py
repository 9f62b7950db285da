"""The network: its config, masks lowered to kernels, positions, attention, feed-forward, norms, init, cache, checkpoints."""
