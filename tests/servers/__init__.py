"""Local servers that speak the protocol of a remote host, with faults that a seed or a plan decides."""
