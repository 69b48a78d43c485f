"""From a recipe to a zoo folder, resumable and whole or not at all."""
