"""From a recipe to a zoo folder, resumable, complete or not there."""
