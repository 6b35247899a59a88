"""The network, its label tree, and the folder that holds a trained model."""
