"""The measures of quality: of a network on held-out pictures, and of samples against pictures."""
