"""One file for each published format: `find(folder, reader)` lists its networks and says how they are read."""
