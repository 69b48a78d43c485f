"""One file for each published format: `find(folder, shapes)` lists its networks and says how they are read."""
