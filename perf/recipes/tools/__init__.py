"""What the recipes are made of: stacks and pictures, bpftrace scripts, and what this machine allows."""
