"""What the labelled days are made of: a registry, codes, messages, and stories that know their own truth."""
