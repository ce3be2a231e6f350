"""The paper's tables and figures: what a model is worth, measured on data it has not seen."""
