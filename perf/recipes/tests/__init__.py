"""What holds the recipes together without a server: stacks, pictures, and scripts against the list of probes."""
