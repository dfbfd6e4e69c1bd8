"""Networks: embeddings, blocks, attention, the UNet. Plain arguments in, tensors out; no torch is imported here."""
