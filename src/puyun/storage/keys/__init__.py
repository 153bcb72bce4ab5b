"""What is done with keys, for the command line and the portal alike: issuing, rotating, listing."""
