"""How a zoo's networks are made, as data: recipes, the catalogue, splits, raw data sets."""
