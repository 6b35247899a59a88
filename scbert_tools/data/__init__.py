"""Cells to batches: references, augmentation, padding."""
