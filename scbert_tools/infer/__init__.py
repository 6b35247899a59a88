"""From batches to arrays: probabilities, embeddings, decisions."""
