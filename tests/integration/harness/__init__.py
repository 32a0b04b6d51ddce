"""What the integration tests share: an engine of their own, images made on the spot, and a census of the host."""
