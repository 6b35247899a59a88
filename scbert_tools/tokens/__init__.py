"""Expression to tokens: which scale values are on, and how they are cut into levels."""
